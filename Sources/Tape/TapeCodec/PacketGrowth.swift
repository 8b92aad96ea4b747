/// How far a packet grows before the next tick has to wait for the next packet. Each packet is one
/// write for the tape, so larger ones make a full lane faster.
@frozen
public struct PacketGrowth: Hashable, Sendable {
    /// The bytes that each tick of `ticksMax` may have on average.
    private static let bytesPerTick = PacketLimits.growthBytesMax / PacketLimits.ticksMax

    /// A packet of this size takes no more ticks.
    public private(set) var bytesMax: Int
    /// A packet with this many ticks takes no more.
    public private(set) var ticksMax: Int

    /// Without a setting.
    public static let usual = PacketGrowth(bytesMax: PacketLimits.growthBytesMax)

    /// `bytesMax` is at most `PacketLimits.growthBytesLargest`.
    public init(bytesMax: Int) {
        precondition(
            (1...PacketLimits.growthBytesLargest).contains(bytesMax),
            "readers take packets of up to \(PacketLimits.growthBytesLargest) bytes")
        self.bytesMax = bytesMax
        ticksMax = max(1, bytesMax / Self.bytesPerTick)
    }

    /// How far a packet grows that may not leave yet (`PacketBuilder.hold`).
    public var held: PacketGrowth {
        var held = self
        held.bytesMax = max(bytesMax, PacketLimits.heldBytesMax)
        held.ticksMax = max(ticksMax, PacketLimits.heldTicksMax)
        return held
    }
}

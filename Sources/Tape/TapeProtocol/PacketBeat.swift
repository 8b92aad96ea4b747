package import Primitives

/// When the ticks of several lanes leave together. Packets that leave in the same moment share the
/// wake-ups and system calls of the server and of all readers, so a tick may wait a little for
/// ticks of other lanes: until `nanoseconds` have passed since the last beat, or since it came
/// itself. How long that is follows from how often packets leave: ticks that are rare wait for
/// nothing, because no others would join them.
///
/// Pure, a part of `PacketPace` with the aim `quick`.
package struct PacketBeat: Sendable {
    /// The longest beat.
    package static let nanosecondsMax: Int64 = 4_000_000
    /// The packets that a beat gathers, as far as `nanosecondsMax` permits.
    private static let packets: Int64 = 4
    /// The longest mean time between two packets with which ticks wait: 300 packets a second.
    private static let gapNanosecondsMax: Int64 = 1_000_000_000 / 300
    /// A longer time without packets counts as this one. The first ticks after it do not wait.
    private static let silenceNanosecondsMax: Int64 = 250_000_000
    /// The number of packets over which the mean moves.
    private static let memory: Int64 = 64

    /// The moving mean of the time between two packets.
    private var gap = Self.silenceNanosecondsMax
    /// When the last packets left.
    private var leftAt = MonotonicTime.distantPast
    /// When the last packets left that wait for others.
    private var beatAt = MonotonicTime.distantPast

    package init() {}

    /// How long a beat is; 0 while packets are rare.
    package var nanoseconds: Int64 {
        gap > Self.gapNanosecondsMax ? 0 : min(Self.nanosecondsMax, Self.packets * gap)
    }

    /// When the next packets leave that wait for others.
    package var nextAt: MonotonicTime { beatAt + nanoseconds }

    /// Returns when a tick that came at `since` has waited long enough.
    package func dueAt(since: MonotonicTime) -> MonotonicTime { min(beatAt, since) + nanoseconds }

    /// Notes that this many packets left together. `isBeat` is false for packets that something
    /// else has held up: they leave between two beats, and delay none.
    package mutating func left(_ count: Int, isBeat: Bool = true, now: MonotonicTime) {
        guard count > 0 else { return }
        let count = min(Int64(count), Self.memory)
        let silence = min(max(0, now - leftAt), Self.silenceNanosecondsMax)
        gap += (silence - count * gap) / Self.memory
        leftAt = now
        if isBeat { beatAt = now }
    }
}

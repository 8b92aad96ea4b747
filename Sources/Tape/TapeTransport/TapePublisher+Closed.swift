package import Primitives
internal import ServiceRuntime
internal import TapeCodec
internal import TapeProtocol

// Packets that are full while an earlier one of their lane is in flight. Symbols are not spread
// evenly, so one lane is full first, and its ticks wait. Without these packets the ticks of all
// other lanes would wait behind them.
extension TapePublisher {
    /// The most closed packets of one lane, and of all lanes together. They bound the memory. A
    /// lane without room for another one has to wait until one of its packets is acknowledged.
    package static let closedOfLaneMax = 8
    package static let closedMax = 64

    /// Returns whether closed packets of the lane wait. `publish` sends them first.
    package func hasClosed(lane: Int) -> Bool { !lanes[lane].closed.isEmpty }

    /// The number of closed packets of all lanes.
    private var closedPackets: Int {
        lanes.indices.reduce(0) { $0 + lanes[$1].closed.count }
    }

    /// Returns whether `close` would make room for more ticks.
    package func canClose(lane: Int) -> Bool {
        lanes[lane].closed.count < Self.closedOfLaneMax && closedPackets < Self.closedMax
    }

    /// Closes the packet that the subject's builder holds, so that it waits outside of the builder,
    /// which then has room for more ticks. `watermark` is that after the packet's ticks. Returns
    /// false, and does nothing, without room for another closed packet.
    package func close(lane: Int, watermark: Timestamp) -> Bool {
        guard canClose(lane: lane) else { return false }
        // Its epoch and ordinals are known when it leaves.
        let seal = PacketBuilder.Seal(
            epoch: 0, firstOrdinal: 0, watermark: watermark, sendTime: clock.now())
        lanes[lane].closed.append(lanes[lane].builder.seal(seal))
        return true
    }

    /// Removes the lane's first closed packet, and gives it the present epoch and ordinals; `nil`
    /// when there is none.
    func takeClosed(_ lane: Int, sendTime: Timestamp) -> SealedPacket? {
        guard !lanes[lane].closed.isEmpty else { return nil }
        var packet = lanes[lane].closed.removeFirst()
        packet.reseal(
            epoch: lanes[lane].machine.epoch, firstOrdinal: lanes[lane].machine.nextOrdinal,
            sendTime: sendTime)
        return packet
    }
}

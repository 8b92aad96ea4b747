package import MarketModel
package import Primitives
package import ServiceRuntime

/// Hands the records and floors of a provider's thread over to the gateway. The thread alone uses
/// it.
package final class ProviderOutlet {
    private let channel: ProviderChannel
    /// How often a full channel is tried again. There is no signal when it has room.
    private let pause: Duration
    private let waits: Counter
    private let end = ShutdownSignal()
    private var sentFloor = Timestamp.undefined
    /// Whether the receiver takes nothing any more.
    package private(set) var isClosed = false

    /// `waits` counts how often there was no room.
    package init(_ channel: ProviderChannel, pause: Duration, waits: Counter) {
        self.channel = channel
        self.pause = pause
        self.waits = waits
    }

    /// Hands over what there is. Returns false when there was no room: then the provider reads
    /// nothing until there is. Also false: the channel is closed.
    package func handOver(_ records: inout [ProviderRecord], floor: Timestamp) -> Bool {
        guard !records.isEmpty || isNew(floor) else { return true }
        switch channel.send(&records, floor: floor) {
        case .sent:
            sentFloor = floor
            return true
        case .full:
            waits.add()
            _ = end.wait(timeout: pause)
            return false
        case .closed:
            // The next owner finds on the tape what is missing there.
            records.removeAll()
            isClosed = true
            return false
        }
    }

    private func isNew(_ floor: Timestamp) -> Bool {
        floor.isDefined && (!sentFloor.isDefined || floor > sentFloor)
    }

    /// Hands over the last records. The receiver closes the channel when it waits no longer.
    package func finish(_ records: inout [ProviderRecord], floor: Timestamp, _ beat: ThreadBeat) {
        while !records.isEmpty, !isClosed {
            beat.beat()
            _ = handOver(&records, floor: floor)
        }
    }
}

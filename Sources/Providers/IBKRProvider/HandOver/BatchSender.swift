internal import IBEngine
internal import MarketModel
internal import Primitives
internal import ProviderKit
internal import ServiceRuntime

/// Sends the engine's batches for one source through the channel of that source, and counts what it
/// has sent. One thread uses it.
struct BatchSender {
    let channel: ProviderChannel
    /// The counters of records, by the index in `RecordTally.names`.
    private let received: [Counter]
    /// The last floor that was sent; undefined: none.
    private var floor = Timestamp.undefined

    init(_ channel: ProviderChannel, _ received: [Counter]) {
        self.channel = channel
        self.received = received
    }

    /// Sends the batch, if there is something new in it. A closed channel takes nothing more, and
    /// the batch is emptied: the next owner finds on the tape what is missing there.
    mutating func send(_ batch: inout IBEngine.Batch) -> ProviderChannel.Outcome {
        let isNewFloor = batch.floor.isDefined && (!floor.isDefined || batch.floor > floor)
        guard !batch.records.isEmpty || isNewFloor else { return .sent }
        let tally = RecordTally(batch.records)
        let outcome = channel.send(&batch.records, floor: batch.floor)
        switch outcome {
        case .sent:
            floor = batch.floor
            tally.add(to: received)
        case .full: break
        case .closed: batch.records.removeAll(keepingCapacity: true)
        }
        return outcome
    }
}

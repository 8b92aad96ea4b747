internal import IBEngine
internal import MarketModel
internal import Primitives
internal import ProviderKit

/// Hands delayed data over to their source, which is opened when the first of them have come. They
/// wait until then, and while its channel is full, as many as the channel takes. Further ticks are
/// left out. The connection's thread uses it.
struct DelayedHandOver {
    /// The shortest time between two reports that delayed ticks are left out, in nanoseconds.
    private static let lossInterval: Int64 = .seconds(60)

    private let parts: ConnectionLoop.Parts
    /// `nil` until the engine has what the source has on the tape.
    private var sender: BatchSender?
    /// The ticks that were left out; and when that was last reported, monotonic.
    private var losses = DelayedLosses()
    private var reportedAt = MonotonicTime.distantPast

    init(_ parts: ConnectionLoop.Parts) { self.parts = parts }

    private var outlet: DelayedOutlet { parts.delayed }

    /// Returns once, when the source is open, what it has on the tape. The engine gets it before
    /// any record leaves.
    mutating func begin() -> ProviderOrder? {
        guard sender == nil, let opened = outlet.opened else { return nil }
        sender = BatchSender(opened.channel, parts.report.metrics.received)
        return opened.order
    }

    /// Hands the batch over, if its source takes it. Returns false when more records than may wait
    /// are no ticks.
    mutating func send(_ batch: inout IBEngine.Batch, _ now: Moment) -> Bool {
        noteNeed(batch.records)
        // Only this thread sends, so a channel that has room now takes the batch.
        let channel = sender?.channel ?? parts.channel
        guard sender != nil, channel.count < channel.recordsMax || channel.isClosed else {
            leaveOut(from: &batch, beyond: channel.recordsMax, now)
            return batch.records.count < channel.recordsMax + DelayedLosses.othersMax
        }
        losses.end(into: &batch.records, now: now.wall)
        // When its channel is closed, its source has ended, and so does this provider in a moment.
        _ = sender?.send(&batch)
        return true
    }

    /// Leaves out ticks for which there is no room, and reports it.
    private mutating func leaveOut(
        from batch: inout IBEngine.Batch, beyond recordsMax: Int, _ now: Moment
    ) {
        let count = losses.limit(&batch.records, to: recordsMax)
        guard count > 0 else { return }
        let isDue = now.monotonic >= reportedAt + Self.lossInterval
        if isDue { reportedAt = now.monotonic }
        parts.report.leftOut(delayed: count, isReported: isDue)
    }

    /// Has the source opened when the first delayed data have come, and reports it.
    private func noteNeed(_ records: [ProviderRecord]) {
        // The endings of an earlier process need no source: it is open already.
        guard !outlet.isNeeded, let first = records.first(where: \.beginsDelayedData) else {
            return
        }
        outlet.need()
        guard parts.settings.engine.delayed == .automatic else { return }
        parts.report.delayedBegin(first, source: parts.order.source)
    }
}

extension ProviderRecord {
    /// Whether data of an instrument come, or are requested.
    fileprivate var beginsDelayedData: Bool {
        if case .tape(.subscription(let record)) = self {
            return record.action == SubscriptionAction.start.rawValue
        }
        return kind != nil
    }
}

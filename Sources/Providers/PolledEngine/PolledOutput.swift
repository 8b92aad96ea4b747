package import EngineKit
package import MarketModel
package import Primitives

/// What the engine leaves for its shell to do, in this order: the request, the records with their
/// floor, the notes.
package struct PolledOutput: EngineOutput {
    /// The request to make. There is one at a time.
    package var request: PolledRequest?
    package var records: [ProviderRecord] = []
    /// No later record has an earlier event time; undefined: not known yet.
    package var floor = Timestamp.undefined
    package var notes: [PolledNote] = []
    package var notesLost: UInt64 = 0

    package init() {}

    /// The same request, as a list.
    package var wishes: [PolledRequest] {
        get { request.map { [$0] } ?? [] }
        set { request = newValue.first }
    }

    mutating func note(_ note: PolledNote) {
        if notes.count < PolledLimits.notesMax { notes.append(note) } else { notesLost &+= 1 }
    }
}

/// Something for the log.
package enum PolledNote: Hashable, Sendable {
    /// The service answers, for the first time or again.
    case good
    /// A request failed, and is made again by itself.
    case failed(failures: Int, reason: String)
    case refused(instrument: UInt32, reason: String)
    /// The key is not taken.
    case refusedKey(reason: String)
    /// A value does not fit the tape.
    case misfit(instrument: UInt32, text: String)
}

package enum PolledState: String, CaseIterable, Sendable {
    /// Nothing is wanted.
    case idle
    /// No request has ended yet.
    case asking
    /// The last request succeeded.
    case good
    /// The last request failed.
    case failing
    /// The service does not take the key.
    case refused
}

/// Counts since the engine began.
package struct PolledCounters: StreamCounters, Hashable {
    package var requests: UInt64 = 0
    package var failures: UInt64 = 0
    /// Requests that were too many for the service.
    package var limited: UInt64 = 0
    package var values: UInt64 = 0
    /// Values of periods that had another one.
    package var revisions: UInt64 = 0
    /// Values that are known already.
    package var unchanged: UInt64 = 0
    /// Prices older than the last one.
    package var older: UInt64 = 0
    package var misfits: UInt64 = 0
    /// Outages that began.
    package var outages: UInt64 = 0

    package init() {}
}

/// The present state, for metrics and pages.
package struct PolledStatus: StreamStatus {
    package var state: PolledState
    package var failures: Int
    package var reason: String
    /// The least `polledTo` of its series that are not refused; undefined: there is none, or one
    /// was never polled.
    package var polledTo: Timestamp
    package var feeds: [ShownFeed]
    package var counters: PolledCounters
}

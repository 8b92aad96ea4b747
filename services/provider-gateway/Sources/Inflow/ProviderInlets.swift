import MarketModel
import Primitives
import ProviderKit

/// The providers of a tenure with their channels, and how far each promises to be.
///
/// With each batch comes the provider's *floor*: none of its later live records has an earlier
/// event time.
struct ProviderInlets {
    private struct Inlet {
        let provider: any ProviderSource
        let channel: ProviderChannel
        /// The floor that is valid now; undefined when the provider has reported none.
        var floor: Timestamp
        /// The floor that is valid when all records of the last received batch are taken.
        var floorAfter: Timestamp

        init(_ provider: any ProviderSource, _ channel: ProviderChannel) {
            self.provider = provider
            self.channel = channel
            floor = provider.resumption?.floor ?? .undefined
            floorAfter = floor
        }
    }

    private var all: [Inlet]
    /// The index of the inlet from which the present batch came.
    private(set) var present = 0
    /// Whether the ticks are a recording, whose times were checked when they were recorded.
    let isRecorded: Bool

    /// Takes ownership of providers that were started, each with its channel.
    init(_ providers: [(any ProviderSource, ProviderChannel)]) {
        all = providers.map { Inlet($0.0, $0.1) }
        isRecorded = providers.contains { $0.0.isRecorded }
    }

    var count: Int { all.count }
    /// For `/status` and for `ProviderStop`.
    var providers: [any ProviderSource] { all.map(\.provider) }
    /// The provider whose batch is being taken.
    var provider: any ProviderSource { all[present].provider }
    /// Whether one cannot wait: its ticks are lost if they are not taken in time. Only then the
    /// spool is used.
    var areUrgent: Bool { all.contains { $0.provider.isUrgent } }
    /// Whether all wait for readers that are too far behind.
    var waitForReaders: Bool { all.allSatisfy { $0.provider.waitsForReaders } }
    /// Returns the present time of the source's clock, as the channels have it.
    var moment: Moment { all[present].channel.moment() }

    subscript(_ index: Int) -> any ProviderSource { all[index].provider }

    // MARK: batches

    /// Whether a channel has records.
    var hasNext: Bool { all.contains { $0.channel.count > 0 } }
    /// The number of records in the channels.
    var waiting: Int { all.reduce(0) { $0 + $1.channel.count } }
    /// Whether all providers have ended and their channels are empty.
    var areFinished: Bool { all.allSatisfy { $0.channel.isFinished } }
    /// Whether none has an endless floor.
    var areFinite: Bool { all.allSatisfy { $0.floorAfter != ProviderChannel.endlessFloor } }

    /// All records of the present batch are taken.
    mutating func endBatch() { all[present].floor = all[present].floorAfter }

    /// Returns the channels that may have records, each provider after the one before it.
    func stirred(_ offset: Int) -> (index: Int, channel: ProviderChannel)? {
        let index = (present + offset) % all.count
        let channel = all[index].channel
        return channel.isStirred ? (index, channel) : nil
    }

    /// A batch with this floor has come. `isEmpty`: no record of it is to be taken.
    mutating func begin(_ index: Int, floor: Timestamp, isEmpty: Bool) {
        precondition(all.indices.contains(index), "a batch is of one of the providers")
        all[index].floorAfter = floor
        if isEmpty { all[index].floor = floor } else { present = index }
    }

    /// Receives what waits in the present provider's channel as a part of its batch.
    mutating func receiveMore(into records: inout [ProviderRecord]) {
        all[present].floorAfter = all[present].channel.receive(into: &records)
    }

    // MARK: floors

    /// Returns the lowest floor of the providers that feed an instrument (`feeds`), at most
    /// `latest`; `nil` while one of them has reported none. A provider that has ended no longer
    /// counts. When all have ended, the highest floor counts. `least`: the present provider's floor
    /// is not lower, because its ticks are numbered.
    func floor(
        latest: Timestamp, isBatchTaken: Bool, least passed: Timestamp?, feeds: (Int) -> Bool
    ) -> Timestamp? {
        // The lowest floor of the feeders, and the highest floor of those that have ended.
        var least = latest
        var farthest = Timestamp(nanoseconds: Int64.min)
        var isAnyLeft = false
        // The lowest floor of providers that feed nothing now. It counts when no feeder is left.
        var spare = Timestamp.undefined
        for (index, inlet) in all.enumerated() {
            if index != present || isBatchTaken, inlet.channel.isFinished {
                let floor = inlet.floorAfter
                if floor.isDefined { farthest = max(farthest, floor) }
                continue
            }
            guard feeds(index) else {
                spare = min(spare, inlet.floor)
                continue
            }
            guard inlet.floor.isDefined else { return nil }
            isAnyLeft = true
            // A provider that numbers its ticks is the only one.
            least = min(least, passed.map { max(inlet.floor, $0) } ?? inlet.floor)
        }
        if isAnyLeft { return least }
        return min(latest, spare.isDefined ? max(farthest, spare) : farthest)
    }

    // MARK: clocks

    /// Sets the clock with which providers stamp receive times: the source's time minus the
    /// monotonic clock, in nanoseconds.
    func follow(clockOffset: Int64) {
        for inlet in all { inlet.channel.follow(clockOffset: clockOffset) }
    }

    /// Returns how far a provider's clock is ahead by its latest report, in nanoseconds, and the
    /// provider's index; `nil` when no provider has reported since the last call. Each call returns
    /// one provider's report.
    func takeClockAhead() -> (provider: Int, ahead: Int64)? {
        for (index, inlet) in all.enumerated() {
            if let ahead = inlet.channel.takeClockAhead() { return (index, ahead) }
        }
        return nil
    }

    // MARK: beginning and ending

    /// From now on `wake` is called on a provider's thread when its first records come, or when it
    /// has ended.
    func onRecords(_ wake: @escaping @Sendable () -> Void) {
        for inlet in all { inlet.channel.onRecords(wake) }
    }

    /// Closes the channels, which accept no more records. Those that wait can still be taken.
    func close() { for inlet in all { inlet.channel.close() } }

    /// Closes the channels and stops all providers, one after the other, within `timeout` in total.
    /// It is called when a tenure ends without draining; `ProviderStop` does it otherwise.
    func stop(within timeout: Duration) {
        close()
        let clock = ContinuousClock()
        let deadline = clock.now + timeout
        for inlet in all {
            _ = inlet.provider.stop(within: max(.zero, deadline - clock.now))
        }
    }
}

package import MarketModel
package import Primitives

/// The heads of the tape that were reported, and when. A *head* is the newest acknowledged ordinal
/// of one source in one partition. `HeadListener` has one; readers' lags are computed from it.
/// Pure.
package struct HeadStore: Sendable {
    /// What identifies a head.
    package struct Key: Hashable, Sendable {
        package var input: ReaderPosition.Input
        package var partition: Partition
        package var source: SourceName

        package init(input: ReaderPosition.Input, partition: Partition, source: SourceName) {
            self.input = input
            self.partition = partition
            self.source = source
        }
    }

    /// One value of a head, and when it was first received.
    struct Sample: Hashable, Sendable {
        var lastOrdinal: UInt64
        var from: MonotonicTime
    }

    /// The reports of one head.
    package struct Entry: Sendable {
        /// The newest report, and when it was received.
        package private(set) var head: TapeHead
        package private(set) var receivedAt: MonotonicTime
        /// The earlier values and the present one, in order of ordinals and times. They show when
        /// an ordinal was published.
        private(set) var samples: [Sample]

        init(_ head: TapeHead, now: MonotonicTime) {
            self.head = head
            receivedAt = now
            samples = [Sample(lastOrdinal: head.lastOrdinal, from: now)]
        }

        /// Takes a newer report.
        mutating func receive(_ head: TapeHead, now: MonotonicTime) {
            receivedAt = now
            let before = self.head.lastOrdinal
            self.head = head
            guard head.lastOrdinal != before else { return }
            // Ordinals never go back on one tape, so this is another tape.
            if head.lastOrdinal < before { samples.removeAll() }
            samples.append(Sample(lastOrdinal: head.lastOrdinal, from: now))
            if samples.count > HeadStore.samplesMax {
                samples.removeFirst(samples.count - HeadStore.samplesMax / 2)
            }
        }

        /// Returns when an ordinal after this one was first reported: heads are reported once a
        /// second, so that is about a second after it was published, at most. Returns `nil` when it
        /// was there before listening began, or when its sample was dropped.
        package func passed(_ ordinal: UInt64) -> MonotonicTime? {
            guard let first = samples.first, first.lastOrdinal <= ordinal else { return nil }
            var (low, high) = (0, samples.count)
            while low < high {
                let middle = (low + high) / 2
                if samples[middle].lastOrdinal > ordinal { high = middle } else { low = middle + 1 }
            }
            return low < samples.count ? samples[low].from : nil
        }

        /// Returns how many records a second were published lately; `nil` while it was listened to
        /// for too short a time. What was there before the first report counts for nothing.
        func rate(now: MonotonicTime) -> Double? {
            let begin = now - HeadStore.rateNanoseconds
            guard let first = samples.first else { return nil }
            let base = samples.last { $0.from <= begin } ?? first
            let span = min(now - base.from, HeadStore.rateNanoseconds)
            guard span >= HeadStore.rateNanosecondsMin else { return nil }
            return Double(head.lastOrdinal - base.lastOrdinal) / (Double(span) / 1e9)
        }
    }

    /// The most samples of one head. Beyond it the older half is dropped. With a report each
    /// second, the rest shows at least five minutes.
    static let samplesMax = 600
    /// The most heads of all sources together. New ones beyond it are refused.
    package static let headsMax = 16_384
    /// The span over which a rate is computed: longer than the second between two reports, shorter
    /// than a change of load.
    static let rateNanoseconds: Int64 = 30_000_000_000
    /// A shorter span shows no rate.
    static let rateNanosecondsMin: Int64 = 5_000_000_000
    /// For this long after a report, reports with lower epochs are ignored. After it they count:
    /// the tape may have been restored from a backup.
    static let reignNanoseconds: Int64 = 10_000_000_000

    package private(set) var entries: [Key: Entry] = [:]

    package init() {}

    /// Returns when any head of the input was last received; `nil` if never.
    package func receivedAt(_ input: ReaderPosition.Input) -> MonotonicTime? {
        entries.lazy.filter { $0.key.input == input }.map(\.value.receivedAt).max()
    }

    /// Returns how many records of these inputs are published a second; `nil` while no head was
    /// listened to for long enough.
    package func rate(of inputs: Set<ReaderPosition.Input>, now: MonotonicTime) -> Double? {
        var sum: Double?
        for (key, entry) in entries where inputs.contains(key.input) {
            guard let rate = entry.rate(now: now) else { continue }
            sum = (sum ?? 0) + rate
        }
        return sum
    }

    /// Takes all heads of a message. Returns false when one is not taken, because there are too
    /// many heads.
    @discardableResult
    mutating func receive(_ message: HeadMessage, now: MonotonicTime) -> Bool {
        var isTaken = true
        for head in message.heads {
            let key = Key(input: message.input, partition: head.partition, source: message.source)
            isTaken = receive(head, key, now: now) && isTaken
        }
        return isTaken
    }

    /// Takes a head, or ignores it when a predecessor sent it.
    private mutating func receive(_ head: TapeHead, _ key: Key, now: MonotonicTime) -> Bool {
        guard let known = entries[key] else {
            guard entries.count < Self.headsMax else { return false }
            entries[key] = Entry(head, now: now)
            return true
        }
        // A predecessor that was suspended and then resumes reports an older head.
        let isPast = head.epoch < known.head.epoch && now < known.receivedAt + Self.reignNanoseconds
        if !isPast { entries[key]?.receive(head, now: now) }
        return true
    }
}

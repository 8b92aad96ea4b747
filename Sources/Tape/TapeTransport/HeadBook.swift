public import MarketModel

/// What was heard of the tape's heads, and when: pure, times are monotonic nanoseconds.
public struct HeadBook: Sendable {
    public struct Key: Hashable, Sendable {
        public var input: ReaderPosition.Input
        public var partition: Partition
        public var source: SourceName

        public init(input: ReaderPosition.Input, partition: Partition, source: SourceName) {
            self.input = input
            self.partition = partition
            self.source = source
        }
    }

    /// The head was this ordinal from its first hearing to its last.
    struct Sample: Hashable, Sendable {
        var lastOrdinal: UInt64
        var from: Int64
    }

    public struct Entry: Sendable {
        public private(set) var head: TapeHead
        public private(set) var heardAt: Int64
        /// In order of ordinals and times.
        private(set) var samples: [Sample]

        init(_ head: TapeHead, now: Int64) {
            self.head = head
            heardAt = now
            samples = [Sample(lastOrdinal: head.lastOrdinal, from: now)]
        }

        mutating func hear(_ head: TapeHead, now: Int64) {
            heardAt = now
            let before = self.head.lastOrdinal
            self.head = head
            guard head.lastOrdinal != before else { return }
            // Ordinals never go back on one tape: this is another one.
            if head.lastOrdinal < before { samples.removeAll() }
            samples.append(Sample(lastOrdinal: head.lastOrdinal, from: now))
            if samples.count > HeadBook.samplesMax {
                samples.removeFirst(samples.count - HeadBook.samplesMax / 2)
            }
        }

        /// When the ordinal behind this one was first heard of, at most a second after it was
        /// written; nil: it was there already when listening began, or that is too long ago.
        public func passed(_ ordinal: UInt64) -> Int64? {
            guard let first = samples.first, first.lastOrdinal <= ordinal else { return nil }
            var (low, high) = (0, samples.count)
            while low < high {
                let middle = (low + high) / 2
                if samples[middle].lastOrdinal > ordinal { high = middle } else { low = middle + 1 }
            }
            return low < samples.count ? samples[low].from : nil
        }
    }

    /// Half of it is kept when it is full: five minutes at least of a source that never rests.
    static let samplesMax = 600
    /// Heads of all sources together; of more, new ones are not taken in.
    public static let headsMax = 16_384
    /// An owner that was not heard for this long holds nobody with a lower epoch off.
    static let reignNanoseconds: Int64 = 10_000_000_000

    public private(set) var entries: [Key: Entry] = [:]

    public init() {}

    /// When any head of the input was heard last; nil: never.
    public func heardAt(_ input: ReaderPosition.Input) -> Int64? {
        entries.lazy.filter { $0.key.input == input }.map(\.value.heardAt).max()
    }

    /// False: there are too many heads.
    @discardableResult
    mutating func hear(_ message: HeadMessage, now: Int64) -> Bool {
        var isIn = true
        for head in message.heads {
            let key = Key(input: message.input, partition: head.partition, source: message.source)
            isIn = hear(head, key, now: now) && isIn
        }
        return isIn
    }

    private mutating func hear(_ head: TapeHead, _ key: Key, now: Int64) -> Bool {
        guard let known = entries[key] else {
            guard entries.count < Self.headsMax else { return false }
            entries[key] = Entry(head, now: now)
            return true
        }
        // A predecessor that was stopped and goes on knows an older head.
        let isPast = head.epoch < known.head.epoch && now < known.heardAt + Self.reignNanoseconds
        if !isPast { entries[key]?.hear(head, now: now) }
        return true
    }
}

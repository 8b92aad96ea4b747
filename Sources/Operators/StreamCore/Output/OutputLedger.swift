public import MarketModel
internal import Primitives

/// The numbering of one partition's output: it gives each output its ordinal, and decides whether
/// the output is on the tape already. An *output* is a bar, a late tick or a value.
///
/// After a crash the operator computes again from an earlier input position. The ledger suppresses
/// each output whose ordinal is already on the tape. At the last of these it compares the running
/// checksum with the one on the tape. Equal checksums prove that both runs made the same output.
///
/// A value that one thread owns. Pure: it neither reads the tape nor publishes. `PartitionOperator`
/// of the operator worker does both.
public struct OutputLedger: Sendable {
    /// The end of the output on the tape.
    public struct End: Hashable, Sendable {
        /// The ordinal of the last output.
        public var ordinal: UInt64
        /// The running checksum over all output up to and including that output.
        public var checksum: UInt64

        public init(ordinal: UInt64, checksum: UInt64) {
            self.ordinal = ordinal
            self.checksum = checksum
        }
    }

    /// What to do with an output.
    public enum Verdict: Hashable, Sendable {
        /// Publish it under this ordinal.
        case new(ordinal: UInt64)
        /// It is already on the tape under this ordinal.
        case suppressed(ordinal: UInt64)
        /// The computed output differs from the one on the tape: the partition must stop. Every
        /// later output gets this verdict, too. `expected` is the checksum on the tape, `found` the
        /// computed one.
        case diverged(ordinal: UInt64, expected: UInt64, found: UInt64)
    }

    /// The first ordinal on an empty tape.
    public static let firstOrdinal: UInt64 = 1

    /// The ordinal that the next output will have.
    public private(set) var nextOrdinal: UInt64
    /// The checksum over all output up to `nextOrdinal` - 1; 0 when there is none.
    public private(set) var checksum: UInt64
    /// The end of the output on the tape; ordinal 0 when there is none.
    private let published: End
    /// The verdict for all later output, once one has differed; `nil` before.
    private var divergence: Verdict?
    /// Room for the canonical bytes of one output, reused for each.
    private var bytes: [UInt8] = []

    /// Continues after the output `done` of a checkpoint, or begins at the first ordinal if it is
    /// `nil`. `published` is the end of the output on the tape; `nil` when the tape holds none yet.
    public init(after done: End? = nil, published: End?) {
        nextOrdinal = done.map { $0.ordinal + 1 } ?? Self.firstOrdinal
        checksum = done?.checksum ?? 0
        let published = published ?? End(ordinal: Self.firstOrdinal - 1, checksum: 0)
        self.published = published
        bytes.reserveCapacity(
            Bar.canonicalFixedBytes + Symbol.utf8CountMax + SourceName.utf8CountMax)
        // If the tape ends where the checkpoint does, no later output can be compared. If the tape
        // ends earlier, it was restored from a backup. So both cases are decided now.
        if let done, done.ordinal >= published.ordinal, done != published {
            divergence = .diverged(
                ordinal: published.ordinal, expected: published.checksum, found: done.checksum)
        }
    }

    /// The last output that was computed; `nil` when there is none. A checkpoint stores it.
    public var computed: End? {
        nextOrdinal == Self.firstOrdinal
            ? nil : End(ordinal: nextOrdinal - 1, checksum: checksum)
    }

    /// Whether the next output is new: the ledger has passed the end of the output on the tape, and
    /// no output differed. If this is still false at the end of the input, the input does not make
    /// all the output on the tape. Then the tape of the input was cut, or another definition made
    /// the output.
    public var isPastPublished: Bool {
        divergence == nil && nextOrdinal > published.ordinal
    }

    /// Numbers the next output of the partition. Its generation must be set already.
    public mutating func record(
        _ bar: Bar, of pair: SourceSymbol, series: SeriesName
    ) -> Verdict {
        record { bar.appendCanonicalBytes(pair: pair, series: series, to: &$0) }
    }

    /// Numbers a late tick, as `record` does for a bar.
    public mutating func record(
        _ late: LateTickRecord, of pair: SourceSymbol, series: SeriesName
    ) -> Verdict {
        record { late.appendCanonicalBytes(pair: pair, series: series, to: &$0) }
    }

    /// Numbers an indicator value. `pair` is `nil` when the value belongs to no single symbol.
    public mutating func record(_ value: IndicatorValue, of pair: SourceSymbol?) -> Verdict {
        record { value.appendCanonicalBytes(pair: pair, to: &$0) }
    }

    /// Numbers the output whose canonical bytes `append` appends.
    @inline(__always)
    private mutating func record(_ append: (inout [UInt8]) -> Void) -> Verdict {
        if let divergence { return divergence }
        bytes.removeAll(keepingCapacity: true)
        append(&bytes)
        let before = checksum
        checksum = bytes.withRawSpan { Checksum.chained($0, after: before) }
        let ordinal = nextOrdinal
        nextOrdinal += 1
        guard ordinal <= published.ordinal else { return .new(ordinal: ordinal) }
        if ordinal == published.ordinal, checksum != published.checksum {
            let verdict = Verdict.diverged(
                ordinal: ordinal, expected: published.checksum, found: checksum)
            divergence = verdict
            return verdict
        }
        return .suppressed(ordinal: ordinal)
    }
}

package import MarketModel
internal import Primitives
package import TapeCodec

/// The trace of a packet. Its id and those of its spans follow from the packet's place on the tape:
/// namespace, source, partition and first ordinal. So all services agree without a header.
package struct TraceID: Hashable, Sendable {
    /// The first 8 of the 16 bytes.
    package let high: UInt64
    /// The last 8.
    package let low: UInt64

    /// `namespace` is the checksum of its name.
    package init(
        namespace: UInt64, source: SourceName, partition: Partition, ordinal: UInt64
    ) {
        var seed = namespace
        let words = source.words
        for word in [words.first, words.second, words.third, UInt64(partition.number)] {
            seed = Checksum.chained(word, after: seed)
        }
        let high = Checksum.chained(ordinal, after: seed)
        // An id of zeros is none.
        self.init(high: high, low: max(1, Checksum.chained(high, after: seed)))
    }

    init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    package init(namespace: UInt64, _ header: PacketHeader) {
        self.init(
            namespace: namespace, source: header.source, partition: header.partition,
            ordinal: header.firstOrdinal)
    }

    /// Returns the id of the span of a step.
    package func span(_ step: TraceStep) -> UInt64 {
        max(1, Checksum.chained(low, after: step.seed))
    }

    /// Returns the id of the span of a step as another service computes it: that of its own step is
    /// in it, so that no two services send one id.
    func span(_ step: TraceStep, computedIn finder: TraceStep) -> UInt64 {
        max(1, Checksum.chained(span(step), after: finder.seed))
    }

    /// Whether the trace is among this share of all. Decided as OpenTelemetry's samplers by ratio
    /// do, so that others agree, too.
    package func isSampled(_ share: Double) -> Bool {
        guard share < 1 else { return true }
        return share > 0 && low >> 1 < UInt64(share * Double(UInt64(1) << 63))
    }
}

extension TraceID: CustomStringConvertible {
    /// 32 hexadecimal digits.
    package var description: String { Self.hex(high) + Self.hex(low) }

    private static func hex(_ word: UInt64) -> String {
        let digits = String(word, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

/// A part of a packet's way.
package enum TraceStep: Hashable, Sendable {
    /// In the gateway: from the receipt of its first tick until it was sealed. The root.
    case receive
    /// From there until it was acknowledged.
    case publish
    /// In the operator.
    case process
    /// In the writer of the store of this name: its transaction.
    case store(String)

    package var name: String {
        switch self {
        case .receive: "receive"
        case .publish: "publish"
        case .process: "process"
        case .store(let name): "write \(name)"
        }
    }

    /// The step that led to it.
    package var parent: TraceStep? {
        switch self {
        case .receive: nil
        case .publish: .receive
        case .process, .store: .publish
        }
    }

    /// The service that takes it.
    var service: String {
        switch self {
        case .receive, .publish: "provider-gateway"
        case .process: "operator-worker"
        case .store: "store-writer"
        }
    }

    fileprivate var seed: UInt64 {
        switch self {
        case .receive: 1
        case .publish: 2
        case .process: 3
        case .store(let name): Checksum.of(name)
        }
    }
}

import Primitives
import ServiceTestSupport
import Testing

/// Ticks of one source on the first partitions of a bench, as many on each.
struct TestTicks {
    let bench: WriterBench
    private var sources: [TestSource]
    /// The number on each partition.
    private(set) var count = 0

    init(_ bench: WriterBench, partitions: Int = 4) throws {
        self.bench = bench
        sources = try (0..<partitions).map { try bench.source($0) }
    }

    /// Puts this many packets onto each partition.
    mutating func publish(packets: Int, of ticks: Int = 25) throws {
        for _ in 0..<packets {
            for index in sources.indices {
                WriterBench.fill(&sources[index], ticks: ticks)
                try sources[index].publish(watermark: Timestamp(nanoseconds: WriterBench.start))
            }
        }
        count += packets * ticks
    }

    /// Puts this many packets onto each partition, and waits until all ticks are stored.
    mutating func store(
        packets: Int, _ location: SourceLocation = #_sourceLocation
    ) throws {
        try publish(packets: packets)
        expectStored("", location)
    }

    /// Whether all of them are stored, once.
    func areStored(within seconds: Double = 120) -> Bool {
        bench.isComplete([Int](repeating: count, count: sources.count), within: seconds)
    }

    /// Waits until all of them are stored, once.
    func expectStored(
        _ comment: @autoclosure () -> String = "", _ location: SourceLocation = #_sourceLocation
    ) {
        let isStored = areStored()
        #expect(
            isStored, "\(count) each, not \(bench.shown) \(comment())", sourceLocation: location)
    }
}

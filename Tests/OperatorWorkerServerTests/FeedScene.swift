import MarketModel
import NatsTransport
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import OperatorWorkerTests

/// A tape with a feed for each of its first partitions, which workers make bars of 1 s and 1 m of.
struct FeedScene {
    static let series: [(name: String, seconds: Int64)] = [("1s", 1), ("1m", 60)]

    let tape: TestTape
    let feeds: [TickFeed]
    var sources: [TestSource]
    /// The number of packets that are on the tape, of each feed.
    private var published = 0

    init(
        _ tape: TestTape, seed: UInt64, feeds count: Int? = nil, packets: Int = 120,
        step: Int64 = 50_000_000
    ) throws {
        self.tape = tape
        let feeds = (0..<(count ?? tape.names.partitions)).map { partition in
            TickFeed(
                seed: seed * 100 + UInt64(partition),
                symbols: (0..<3).map { "S\(partition)\($0)" }, packets: packets,
                stepNanoseconds: step)
        }
        self.feeds = feeds
        sources = try feeds.indices.map { try feeds[$0].source(on: tape, $0) }
    }

    init(
        _ namespace: String, seed: UInt64, feeds: Int? = nil, packets: Int = 120,
        step: Int64 = 50_000_000
    ) throws {
        try self.init(
            TestTape(NatsServer.shared(), namespace: namespace), seed: seed, feeds: feeds,
            packets: packets, step: step)
    }

    /// Publishes the next packets of each feed.
    mutating func publish(_ count: Int) throws {
        let end = min(published + count, feeds[0].packets.count)
        for partition in feeds.indices {
            try feeds[partition].publish(published..<end, by: &sources[partition])
        }
        published = end
    }

    /// Publishes the rest, and closes all windows.
    mutating func publishRest() throws {
        try publish(Int.max / 2)
        for partition in feeds.indices {
            try sources[partition].publish(watermark: feeds[partition].end)
        }
    }

    /// Waits until as many bars are on the tape as there should be.
    func hasAllBars() throws -> Bool {
        let wanted = feeds.map { UInt64($0.bars(series: Self.series).count) }
        return eventually {
            do {
                return try feeds.indices.allSatisfy { try tape.bars(of: $0) == wanted[$0] }
            } catch {
                return false
            }
        }
    }

    /// Expects that ordinals, checksums and bars are those of one undisturbed owner.
    func expectUndisturbedBars() throws {
        for (partition, feed) in feeds.enumerated() {
            let found = try BarsOnTape(tape, partition)
            let wanted = feed.bars(series: Self.series)
            #expect(found.problems.isEmpty, "\(partition): \(found.problems)")
            #expect(found.bars.count == wanted.count, "partition \(partition)")
            #expect(Set(found.bars) == wanted, "partition \(partition)")
            #expect(found.epochs == found.epochs.sorted(), "partition \(partition)")
        }
    }
}

extension TestTape {
    /// Returns the last ordinal of a partition's bars.
    func bars(of partition: Int) throws -> UInt64 {
        try lastOrdinal(stream: names.barStream, subject: names.bars(Partition(partition)))
    }

    /// Returns the input up to which all output of a partition is stored.
    func input(_ partition: Int = 0) -> UInt64 {
        let last = try? client.lastContent(
            stream: names.barStream, subject: names.bars(Partition(partition)))
        return last?.withBytes { PacketReader.outputState(of: $0) }?.input.sequence ?? 0
    }

    func delete(stream: String) throws {
        _ = try client.connection.request(
            [], to: "$JS.API.STREAM.DELETE.\(stream)", timeout: patience)
    }

    func purge(stream: String) throws {
        _ = try client.connection.request(
            [], to: "$JS.API.STREAM.PURGE.\(stream)", timeout: patience)
    }
}

import Foundation
import MarketModel
import Primitives
import Seeds
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

/// `desk.follow` of the Python package.
extension DeskPackageTests {
    @Test("the rules of a follower, and a simulation of copies that are killed and paused")
    func followRules() throws {
        let seed = Seeds.one()
        print("TAPELINE_SEED=\(seed)")
        try expectPassed(["rules", "\(seed)"], script: "desk_follow.py")
    }

    @Test("the nightly job of the samples exports a session, and refuses one with holes")
    func nightly() throws {
        let url = try Self.database("desk_nightly", ["data_page.sql", "desk/depth.sql"])
        try expectPassed(["nightly", url], script: "desk_follow.py")
    }

    @Test("each tick is taken exactly once while copies are killed and paused; holes wait")
    func follow() throws {
        let tape = try TestTape(NatsServer.shared(), namespace: "follow")
        try FollowedMarket.publishTorn(TestTape(tape.server, namespace: "followtorn"))
        let database = try TestDatabase("desk_follow")
        try database.psql("CREATE SCHEMA mine AUTHORIZATION \(database.migrator)")
        let password = PostgresServer.password.replacing(" ", with: "%20")
        let url =
            "postgresql://\(database.migrator):\(password)@127.0.0.1:\(database.server.port)"
            + "/\(database.name)?options=-csearch_path%3Dmine"
            // A person's database may have another level than PostgreSQL's own.
            + "%20-cdefault_transaction_isolation%3Drepeatable%5C%20read"
        let kills = Int(ProcessInfo.processInfo.environment["FOLLOW_KILLS"] ?? "") ?? 12
        let market = try FollowedMarket(tape, packets: 125 * kills)
        let folder = try TemporaryFolder("follow")
        try Data(market.frames).write(to: URL(fileURLWithPath: folder.file("packets")))
        let listener = try GroupPositionListener(tape.client)
        let told = try check(
            ["server", folder.file("packets"), "\(kills)"],
            tape.environment.merging(["FOLLOW_DATABASE": url]) { $1 }, script: "desk_follow.py")
        guard let told else { return }
        #expect(told.hasSuffix("checks passed"), "\(told)")
        // All of it is reported as read, with the proof that a purge asks for.
        let positions = listener.store.groups["features"]?.positions ?? [:]
        #expect(positions.count == tape.names.partitions)
        for position in positions.values {
            let last = market.ordinals[position.partition.number]
            #expect(position.sources.map(\.lastOrdinal) == [last])
            #expect(position.proof != nil && position.durable == position.sequence)
        }
    }
}

/// Packets of trades in each partition, and a tape from which some are missing.
private struct FollowedMarket {
    /// Trades in each packet, as desk_follow.py knows.
    private static let ticks = 5
    private static let start = Timestamp(nanoseconds: 1_699_972_260_000_000_000)

    /// A partition, a length and a packet, one after the other.
    private(set) var frames: [UInt8] = []
    /// The last ordinal in each partition.
    private(set) var ordinals: [UInt64] = []

    init(_ tape: TestTape, packets: Int) throws {
        let count = tape.names.partitions
        var lanes = try (0..<count).map { try Self.lane(tape, Partition($0)) }
        for _ in 0..<packets {
            for number in lanes.indices {
                for _ in 0..<Self.ticks { lanes[number].append(Self.trade()) }
                let bytes = lanes[number].seal(watermark: Self.start).bytes
                for shift in [0, 8] { frames.append(UInt8(truncatingIfNeeded: number >> shift)) }
                for shift in [0, 8, 16, 24] {
                    frames.append(UInt8(truncatingIfNeeded: bytes.count >> shift))
                }
                frames += bytes
            }
        }
        ordinals = lanes.map { $0.nextOrdinal - 1 }
    }

    /// Puts onto the tape three trades, a hole of seven ordinals, three trades, a packet with a
    /// trade and a gap, two trades; and versions of a bar, of which the last one is not whole.
    static func publishTorn(_ tape: TestTape) throws {
        var lane = try Self.lane(tape, Partition(0))
        for (skip, trades, isGap) in [(0, 3, false), (7, 3, false), (0, 1, true), (0, 2, false)] {
            lane.skip = UInt64(skip)
            for _ in 0..<trades { lane.append(trade()) }
            if isGap {
                lane.append { builder in
                    builder.append(
                        GapRecord(
                            header: TickHeader(
                                symbol: 0, providerTime: .undefined, receiveTime: start),
                            from: start.advanced(byNanoseconds: -1_000_000_000), to: .undefined,
                            kind: .trade, reason: .disconnected, state: .open)) == .appended
                }
            }
            try lane.publish(watermark: start)
        }
        var bars = TestSource(tape, Partition(0), source: .operator, kind: .bars)
        bars.define(try symbol(of: Partition(0), tape), of: SourceName("test"))
        let series = try bars.define(series: "1s")
        for (price, flags) in [(1, []), (2, []), (3, .partial)] as [(Int64, BarFlags)] {
            var bar = Bar(
                symbol: 0, series: series, openTime: start,
                closeTime: start.advanced(byNanoseconds: 1_000_000_000))
            bar.close = Price(raw: price * 1_000_000_000)
            bar.flags = flags
            bars.append(bar)
            try bars.publish(watermark: start)
        }
    }

    private static func lane(_ tape: TestTape, _ partition: Partition) throws -> TestSource {
        var lane = TestSource(tape, partition, source: try #require(SourceName("test")))
        lane.define(try symbol(of: partition, tape), provider: "ib")
        return lane
    }

    private static func symbol(of partition: Partition, _ tape: TestTape) throws -> Symbol {
        let symbols = (0..<100).lazy.compactMap { Symbol("S\($0)") }
        return try #require(
            symbols.first { Partition(of: $0, count: tape.names.partitions) == partition })
    }

    private static func trade() -> Trade {
        Trade(
            header: TickHeader(symbol: 0, providerTime: start, receiveTime: start),
            price: Price(raw: 1_000_000_000), size: Quantity(raw: 100_000_000))
    }
}

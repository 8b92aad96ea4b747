import TapeTransport
import MarketModel
import PostgresClient
import Primitives
import ServiceRuntime
import ServiceTestSupport
import StoreSinks
import TapeCodec
import TapeProtocol
import TestSupport
import Testing

@testable import StoreWriter

@Suite("Days are made by the time at which a row stands, whatever its record says besides")
struct RowDayTests {
    private let now = SystemClock().now()
    private var old: Timestamp { now.advanced(byNanoseconds: -40 * 86_400_000_000_000) }

    private func header(_ time: Timestamp) -> TickHeader {
        TickHeader(symbol: 0, providerTime: time, receiveTime: now)
    }

    /// Returns the number of rows from 40 days ago.
    private func oldRows(_ table: String, _ scene: StoreScene) throws -> String {
        try scene.psql(
            """
            SELECT count(*) FROM \(table)
            WHERE ts = '1970-01-01Z'::timestamptz + interval '1 microsecond'
                * \(old.floored(toNanoseconds: 1_000).nanoseconds / 1_000)
            """)
    }

    @Test("a store that knows 65,536 days forgets them before it takes one more")
    func knownDays() throws {
        let scene = try StoreScene("writer_daykn")
        scene.store.knownDays = Set((1...65_536).map { TableDay(table: 0, number: -$0) })
        scene.add(price: 1_000_000_000)
        #expect(try scene.store.missingDays(of: scene.batch([scene.seal()])).count <= 1)
        #expect(scene.store.knownDays.count <= 1)
    }

    @Test("a provider's bar of 40 days ago that is asked for now stands at its close")
    func providerBar() throws {
        let scene = try StoreScene("writer_daypb")
        scene.add(
            ProviderBar(
                header: header(now), openTime: old.advanced(byNanoseconds: -5_000_000_000),
                closeTime: old, kind: .trades))
        try scene.write([scene.seal()])
        #expect(try scene.letters().isEmpty)
        #expect(try oldRows("provider_bars", scene) == "1")
        #expect(try scene.books() == "1|1|1|0|0|0|0")
    }

    @Test("a late tick and a bar of 40 days ago")
    func bars() throws {
        let scene = try StoreScene("writer_daylt", input: .bars)
        scene.add(
            LateTickRecord(
                Trade(header: header(old), price: Price(raw: 1), size: Quantity(raw: 1)),
                source: try #require(SourceName("test")), ordinal: 7, series: 0,
                openTime: now, closeTime: now, reason: .windowLimit))
        scene.add(Bar(symbol: 0, series: 0, openTime: old, closeTime: now))
        try scene.write([scene.seal()])
        #expect(try scene.letters().isEmpty)
        #expect(try oldRows("late_ticks", scene) == "1")
        #expect(try oldRows("bars", scene) == "1")
    }

    @Test("what begins as no tick does stands at the time when its packet was sent")
    func unknownEvent() throws {
        let scene = try StoreScene("writer_dayev")
        scene.add(
            SubscriptionRecord(
                header: header(now), action: .start, kind: .trade, mode: .live, provider: "ib"))
        var bytes = scene.seal(sendTime: old)
        let message = try #require(
            (WireFormat.HeaderOffset.end..<bytes.count - 3).first {
                bytes[$0 + 2] == UInt8(WireFormat.Template.subscriptionRecord & 0xff)
                    && bytes[$0 + 3] == UInt8(WireFormat.Template.subscriptionRecord >> 8)
            })
        bytes[message] = 2
        bytes[message + 1] = 0
        bytes[message + 2] = 0x7e
        bytes[message + 3] = 0x80
        bytes.replaceSubrange((message + 8)..., with: [0xab, 0xcd])
        try scene.write([PacketBuilder.checked(bytes)])
        #expect(try scene.letters().isEmpty)
        #expect(try oldRows("events", scene) == "1")
    }

    /// More days than are made in one call elsewhere, and one that may have no partition.
    @Test("a batch of 150 new days is 150 days, and only what may have none is a letter")
    func manyDays() throws {
        let scene = try StoreScene("writer_daymany")
        for day in 0..<150 as Range<Int64> {
            scene.add(price: day + 1, at: old.nanoseconds - day * 86_400_000_000_000)
        }
        scene.add(price: 666, at: 400 * 86_400_000_000_000)
        try scene.write([scene.seal()])
        #expect(try scene.letters().map(\.place.ordinal) == [151])
        #expect(try scene.letters().first?.reason == .outOfRange)
        try scene.expect("SELECT count(*), count(DISTINCT ts::date) FROM trades", "150|150")
        #expect(try scene.books() == "1|151|150|1|0|0|0")
    }

    @Test("days that are there, or may not be there, are none to be made")
    func missing() throws {
        let writer = try TestDatabase.migrated("writer_daymissing", mode: .plain).connectWriter()
        let days = """
            extract(epoch FROM date_trunc('day', now(), 'UTC'))::bigint / 86400
            """
        try writer.expect(
            """
            SELECT count(*) || ' ' || bool_and(day = '1990-01-01Z')::text
            FROM missing_partitions('trades', ARRAY[-1, 0, 1, 7304, 7305, 7305, \(days),
                \(days) + 6, \(days) + 800, NULL, 106751]) AS day
            """, "1 true")
        try writer.expect("SELECT count(*) FROM missing_partitions('gaps', ARRAY[19000])", "0")
    }
}

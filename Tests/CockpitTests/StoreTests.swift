import Primitives
import ServiceRuntime
import TestSupport
import Testing

@testable import Cockpit

@Suite("The store") struct StoreTests {
    static let metrics = """
        # HELP sink_writes_total Rows.
        # TYPE sink_writes_total counter
        sink_writes_total{sink="trades"} 700
        sink_writes_total{sink="quotes"} 300
        sink_writes_totals 5
        mds_worker_batches_written_total 20
        mds_worker_write_errors_total 1
        mds_worker_write_latency_seconds_bucket{le="0.1"} 20
        mds_worker_write_latency_seconds_sum 0.4
        mds_coord_circuit_state 2
        mds_store_capacity_bytes 1e+06
        mds_backup_last_success_timestamp_seconds{kind="base"} 1000
        mds_backup_last_success_timestamp_seconds{kind="log"} 2000 1795740138174
        broken{kind="base
        mds_store_bytes{table="a\\"b\\\\c",x="y"} 7
        """

    private static func text(_ wanted: Set<String> = WriterFigures.names) -> PageMetrics {
        PageMetrics(Array(metrics.utf8), wanted: wanted)
    }

    static let status = """
        {"service":"store-writer","ready":true,
        "writer":{"queue":{"capacity_rows":5000,"lanes":[{"rows":3},{"rows":4}]},
        "groups_apart":[{"group":"ticks","table":"trades","reason":"no",
        "since":"2026-11-28T05:20:00Z","behind_seconds":2.5,"inputs":["ticks of partition 0"]}],
        "workers":[{"state":"idle","last_error":null},{"state":"writing","last_error":"refused"}]},
        "database":{"problem":null,"bytes":{"trades":600,"other":300},
        "bytes_at":"2026-11-28T05:20:00.000000000Z",
        "profile":{"durable":false,"problems":["fsync is off"]}},
        "membership":{"group":"store","member":"writer","owners":[]}}
        """

    /// A sighting with a writer that has so many rows and transactions by then.
    private static func sighting(
        _ seconds: Double, rows: UInt64 = 0, batches: UInt64 = 0, used: UInt64? = nil
    ) throws -> Sighting {
        var sighting = MadeSighting.well(seconds)
        var service = MadeSighting.service(seconds, "a:1")
        service.read(try JSONValue.parse(status))
        var metrics = WriterFigures(text())
        (metrics.rows, metrics.batches) = (rows, batches)
        metrics.microseconds = batches * 4_000
        metrics.errors = 0
        service.writer?.metrics = metrics
        if let used { service.writer?.bytes = ["trades": used] }
        sighting.services.value = [service]
        return sighting
    }

    @Test("a page has the name of its member, and without one that of its program")
    func name() throws {
        var service = MadeSighting.service(12, "a:1")
        service.read(try JSONValue.parse(Self.status))
        #expect(service.process.member == "writer" && service.shownName == "writer (store-writer)")
        service.process.member = "store-writer-b"
        #expect(service.shownName == "store-writer-b")
        service.problem = "refused"
        #expect(service.shownName == "store-writer (last: store-writer-b)")
        service.read(try JSONValue.parse(#"{"service":"store-writer"}"#))
        #expect(service.shownName == "store-writer")
        service.read(try JSONValue.parse("{}"))
        #expect(service.shownName == "a:1")
    }

    @Test("metrics are read by name, with their labels, and nothing else is")
    func metricText() {
        let text = Self.text(["sink_writes_total", "mds_store_bytes", "broken"])
        #expect(text.sum("sink_writes_total") == 1_000)
        #expect(
            text.all("sink_writes_total").map(\.labels) == [["sink": "trades"], ["sink": "quotes"]])
        #expect(text.all("mds_store_bytes").first?.labels == ["table": "a\"b\\c", "x": "y"])
        #expect(text.all("broken").isEmpty && text.sum("mds_coord_circuit_state") == nil)
        let many = String(repeating: "sink_writes_total 1\n", count: 2_000)
        #expect(
            PageMetrics(Array(many.utf8), wanted: ["sink_writes_total"]).sum("sink_writes_total")
                == Double(PageMetrics.samplesMax))
        #expect(PageMetrics(Array("a NaN".utf8), wanted: ["a"]).count("a") == 0)
        #expect(PageMetrics(Array("a -1".utf8), wanted: ["a"]).count("a") == 0)
    }

    @Test("a writer's pages say its numbers, and what they lack is not known")
    func pages() throws {
        let metrics = WriterFigures(Self.text())
        #expect(metrics.rows == 1_000 && metrics.batches == 20 && metrics.errors == 1)
        #expect(metrics.microseconds == 400_000 && metrics.breaker == 2)
        #expect(metrics.capacityBytes == 1_000_000)
        #expect(metrics.backups == ["base": 1_000, "log": 2_000])
        let none = WriterFigures(PageMetrics([], wanted: WriterFigures.names))
        #expect(none.breaker == nil && none.capacityBytes == nil && none.backups.isEmpty)
        let page = try #require(WriterPage(try JSONValue.parse(Self.status)))
        #expect(page.bytes == ["trades": 600, "other": 300])
        #expect(page.bytesAt == ISOTime.parse("2026-11-28T05:20:00Z"))
        #expect(page.workers.map(\.state) == ["idle", "writing"])
        #expect(page.problems == ["fsync is off"] && page.isDurable == false)
        #expect(page.apart.map(\.table) == ["trades"] && page.apart[0].reason == "no")
        #expect(page.apart[0].behindSeconds == 2.5 && page.apart[0].since.isDefined)
        #expect(WriterPage(try JSONValue.parse("{\"operator\":{}}")) == nil)
    }

    @Test("rates, rows per transaction and the duration of one are those of the last seconds")
    func rates() throws {
        var board = StoreBoard()
        #expect(
            board.make(try Self.sighting(1), time: 0).writers.map(\.rowsPerSecond) == [nil])
        var look = StoreBoard.Look()
        for second in 2...6 {
            let sighting = try Self.sighting(
                Double(second), rows: UInt64(second) * 100, batches: UInt64(second) * 5)
            look = board.make(sighting, time: 0)
        }
        let writer = try #require(look.writers.first)
        #expect(writer.rowsPerSecond == 100 && writer.batchesPerSecond == 5)
        #expect(writer.rowsPerBatch == 20 && writer.latencySeconds == 0.004)
        #expect(writer.service.queue.rows == 7 && writer.errorsPerSecond == 0)
        board.restart()
        #expect(
            board.make(try Self.sighting(60), time: 0).writers.map(\.rowsPerSecond) == [nil])
    }

    @Test("two processes behind one name do not mix their counters")
    func processes() throws {
        var board = StoreBoard()
        for second in 1...8 {
            let isFirst = second % 2 == 0
            var sighting = try Self.sighting(
                Double(second), rows: UInt64(second) * (isFirst ? 100 : 10_000))
            sighting.services.value?[0].writer?.instance = isFirst ? "a" : "b"
            let rate = board.make(sighting, time: 0).writers[0].rowsPerSecond
            if second > 2 { #expect(rate == (isFirst ? 100 : 10_000)) }
        }
    }

    @Test("the oldest unwritten row is that of the partitions that the writer holds")
    func unwritten() throws {
        var sighting = try Self.sighting(10)
        let at = MadeSighting.time(9.8)
        sighting.shares.lags = [
            "store": [
                0: .init(records: 3, seconds: 1, reportedAt: at),
                1: .init(records: 4, seconds: 2, reportedAt: at),
                2: .init(records: 900, seconds: 90, reportedAt: at),
            ]
        ]
        var board = StoreBoard()
        #expect(
            board.make(sighting, time: 0).writers[0].unwritten
                == .init(records: 7, seconds: 2, reportedAt: at))
        // An age that is not known makes the whole not known, and never 0.
        sighting.shares.lags["store"]?[0]?.seconds = nil
        #expect(board.make(sighting, time: 0).writers[0].unwritten?.seconds == nil)
        sighting.members = []
        #expect(board.make(sighting, time: 0).writers[0].unwritten == nil)
    }

    @Test("room and growth say when the database is full, by the formula of the alert")
    func full() throws {
        var board = StoreBoard()
        var look = StoreBoard.Look()
        for minute in 0...20 {
            let seconds = Double(minute) * 60
            let sighting = try Self.sighting(seconds, used: 100_000 + UInt64(seconds) * 10)
            board.note(sighting)
            look = board.make(sighting, time: 0)
            // Growth outlives a time in which nobody looks.
            board.restart()
            #expect((look.room.growthPerSecond == nil) == (minute < 15))
        }
        #expect(abs((look.room.growthPerSecond ?? 0) - 10) < 0.001)
        #expect(look.room.used == 112_000 && look.room.free == 888_000)
        #expect(abs((look.room.fullSeconds ?? 0) - 88_800) < 1)
        #expect(look.room.trouble?.runbook == "Disk")
        look.room.tables = ["trades": 900_001]
        #expect(look.room.trouble?.runbook == "Disk")
        look.room.growthPerSecond = -1
        look.room.tables = ["trades": 1]
        #expect(look.room.fullSeconds == nil && look.room.trouble == nil)
        look.room.capacity = nil
        #expect(look.room.free == nil)
    }

    @Test("sizes are those that were measured last, and have the time of that")
    func sized() throws {
        var sighting = try Self.sighting(10)
        let first = try #require(sighting.services.value?.first)
        let time = try #require(first.writer?.bytesAt)
        var (newer, unmeasured) = (first, first)
        newer.writer?.bytes = ["trades": 500]
        newer.writer?.bytesAt = time.advanced(byNanoseconds: 1)
        unmeasured.writer?.bytes = ["trades": 9_000]
        unmeasured.writer?.bytesAt = .undefined
        for order in [[first, newer, unmeasured], [unmeasured, newer, first]] {
            sighting.services.value = order
            var board = StoreBoard()
            let look = board.make(sighting, time: 0)
            #expect(look.room.used == 500 && look.room.sizedAt == newer.writer?.bytesAt)
            let room = try JSONValue.parse(
                StoreDocument(look: look, now: MadeSighting.time(10)).json)["room"]
            #expect(room?["sized_at"]?.double == Double(time.nanoseconds + 1) / 1e9)
        }
    }

    @Test("growth is the line through six hours, and forgets what is older")
    func growth() {
        var growth = GrowthMeter()
        for minute in 0..<1_000 {
            let value = UInt64(minute < 600 ? 1_000_000 : minute * 60)
            growth.note(value, at: MadeSighting.time(Double(minute) * 60))
            // More than one in a minute is not kept.
            growth.note(0, at: MadeSighting.time(Double(minute) * 60 + 1))
        }
        #expect(growth.spanNanoseconds == GrowthMeter.windowNanoseconds)
        #expect(abs((growth.perSecond ?? 0) - 1) < 0.001)
    }

    @Test("backups are too old as the alerts say")
    func backups() throws {
        var board = StoreBoard()
        func old(_ time: Double) throws -> [Bool] {
            board.make(try Self.sighting(10), time: time).backups.map(\.isOld)
        }
        #expect(try old(2_900) == [false, false])
        #expect(try old(2_901) == [false, true])
        #expect(try old(109_001) == [true, true])
    }

    @Test("the document has a time at every part, and a writer that is old keeps its own")
    func document() throws {
        var board = StoreBoard()
        var sighting = try Self.sighting(10)
        var silent = MadeSighting.service(3, "b:1")
        silent.read(try JSONValue.parse(Self.status))
        sighting.services.value?.append(silent)
        let json = try JSONValue.parse(
            StoreDocument(look: board.make(sighting, time: 0), now: sighting.now).json)
        let writers = try #require(json["writers"]?.array)
        #expect(writers.map { $0["at"]?.double } == [1_009.5, 1_002.5])
        #expect(writers[0]["breaker"]?.int == 2 && writers[1]["breaker"] == nil)
        #expect(writers[0]["error"]?.string == "refused")
        #expect(json.at("room", "used")?.int == 900 && json.at("room", "at")?.double == 1_009.5)
        #expect(
            json.at("room", "tables")?.array?.compactMap { $0["name"]?.string }
                == ["trades", "other"])
        #expect(json.at("backups", "at")?.double == 1_009.5)
    }
}

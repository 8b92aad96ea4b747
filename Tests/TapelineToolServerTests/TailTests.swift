import Foundation
import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

@Suite("tapeline tail, on a real tape")
struct TailTests {
    private func bench(_ namespace: String) throws -> TailBench {
        try TailBench(NatsServer.shared(), namespace: namespace)
    }

    /// Publishes three packets of ten ticks on each of the partitions 0 to 2: two symbols in turn,
    /// and every third tick a quote.
    private func published(_ bench: TailBench) throws -> [TestSource] {
        var sources = try (0..<3).map { try bench.source($0, ["A\($0)", "B\($0)"]) }
        for _ in 0..<3 {
            for index in sources.indices { try publish(&sources[index]) }
        }
        return sources
    }

    private func publish(_ source: inout TestSource, ticks: Int = 10) throws {
        for offset in 0..<ticks {
            let number = Int64(source.nextOrdinal) + Int64(offset)
            if number % 3 == 0 {
                source.append(TailBench.quote(UInt32(number % 2), number))
            } else {
                source.append(TailBench.trade(UInt32(number % 2), number))
            }
        }
        try source.publish(watermark: Timestamp(nanoseconds: TailBench.start))
    }

    private func ordinals(
        _ partitions: [Int], where isWanted: (UInt64) -> Bool = { _ in true }
    ) -> [String] {
        partitions.flatMap { partition in
            (1...30).filter { isWanted(UInt64($0)) }.map { "test/\(partition)/\($0)" }
        }.sorted()
    }

    @Test("all of it, by partition, kind, source and limit, is what was published")
    func selects() throws {
        let bench = try bench("tail_a")
        _ = try published(bench)
        let all = try bench.tail(["--json", "--limit", "1000"])
        #expect(all.code == .success && all.errors.isEmpty, "\(all.errors)")
        #expect(try all.places().sorted() == ordinals([0, 1, 2]))
        // Per stream, in the order of the tape.
        let first = try all.places().filter { $0.hasPrefix("test/1/") }
        #expect(first == (1...30).map { "test/1/\($0)" })
        let one = try bench.tail(["--json", "--partition", "2", "--to", "seq:99"])
        #expect(try one.places() == (1...30).map { "test/2/\($0)" })
        let quotes = try bench.tail(["--json", "--kind", "quote", "--limit", "1000"])
        #expect(try quotes.places().sorted() == ordinals([0, 1, 2]) { $0 % 3 == 0 })
        #expect(try quotes.objects().allSatisfy { $0["kind"]?.string == "quote" })
        let both = try bench.tail(["--json", "--kind=quote", "--kind=trade", "--limit=7"])
        #expect(both.lines.count == 7 && both.code == .success)
        let stranger = try bench.tail(["--json", "--source", "other", "--limit", "5"])
        #expect(stranger.output.isEmpty && stranger.code == .success)
    }

    @Test("a symbol is read from its own partition alone")
    func symbols() throws {
        let bench = try bench("tail_b")
        let names = ["BRK.B", "ES=F", "BTC/USD", "SPY   261218C00500000", "😀"]
        for text in names {
            let symbol = try #require(Symbol(text))
            let partition = bench.tape.names.partition(of: symbol).number
            // Each source has another name, because ordinals count per source and partition.
            var source = try bench.source(
                partition, ["other", text], name: "s\(names.firstIndex(of: text) ?? 9)")
            source.append(TailBench.trade(1, 1))
            source.append(TailBench.trade(0, 2))
            source.append(TailBench.trade(1, 3))
            try source.publish(watermark: .undefined)
        }
        for text in names {
            let found = try bench.tail(["--json", text, "--limit", "100"])
            #expect(try found.objects().map { $0["symbol"]?.string } == [text, text])
            #expect(try found.objects().map { $0["ordinal"]?.int } == [1, 3])
        }
        let two = try bench.tail(
            ["--json", "BRK.B", "😀", "--limit", "100"])
        #expect(two.lines.count == 4)
    }

    @Test("from and until are times of the tape, or sequences of one stream")
    func places() throws {
        let bench = try bench("tail_c")
        var source = try bench.source(1, ["A", "B"])
        try publish(&source)
        try publish(&source)
        try publish(&source)
        let stored = try bench.tape.client.jetStream.message(
            stream: bench.tape.names.tickStream(1), sequence: 2)
        let time = try #require(stored?.time).description
        let from = try bench.tail(["--json", "--partition", "1", "--from", time, "--limit", "99"])
        #expect(try from.places() == (11...30).map { "test/1/\($0)" })
        let until = try bench.tail(["--json", "--partition", "1", "--to", time])
        #expect(try until.places() == (1...10).map { "test/1/\($0)" })
        let middle = try bench.tail(
            ["--json", "--partition=1", "--from=seq:2", "--to=seq:2"])
        #expect(try middle.places() == (11...20).map { "test/1/\($0)" })
        let past = try bench.tail(["--json", "--from", "-1h", "--to", "-1m"])
        #expect(past.output.isEmpty && past.code == .success)
        let recent = try bench.tail(["--json", "--from", "-1h", "--to", "now"])
        #expect(recent.lines.count == 30)
        #expect(throws: ToolError.self) { try bench.tail(["--from", "seq:1", "--limit", "1"]) }
        #expect(throws: ToolError.self) {
            try bench.tail(["--partition", "4", "--limit", "1"])
        }
    }

    @Test("values are exact in JSON, in CSV and in the table")
    func formats() throws {
        let bench = try bench("tail_d")
        var source = try bench.source(0, ["A,\"B\"", "C"])
        source.append(TailBench.trade(0, 7))
        source.append(TailBench.quote(1, 2))
        try source.publish(watermark: .undefined)
        let json = try bench.tail(["--json", "--limit", "9"]).objects()
        let trade = try #require(json.first)
        #expect(trade["symbol"]?.string == "A,\"B\"" && trade["price"]?.string == "1.234500007")
        #expect(trade["size"]?.string == "7.00000001" && trade["conditions"]?.string == "@ F")
        #expect(trade["flags"]?.array?.compactMap(\.string) == ["snapshot", "delayed"])
        #expect(trade["time"]?.string == "2025-06-15T15:06:40.123456796Z")
        #expect(trade["time_ns"]?.int == Int(TailBench.start + 7))
        #expect(trade["provider"]?.string == "made" && trade["provider_id"]?.int == 7)
        #expect(trade["time_resolution"]?.string == "millisecond")
        #expect(trade["sequence"]?.int == 1 && trade["epoch"]?.int == 1)
        #expect(json[1]["bid"]?.string == "-0.000000005" && json[1]["ask"] == nil)
        let csv = try bench.tail(["--csv", "--limit", "9"]).output
        let rows = csv.components(separatedBy: "\r\n")
        let columns = rows[0].split(separator: ",", omittingEmptySubsequences: false)
        #expect(columns.prefix(6) == ["time", "time_ns", "symbol", "kind", "price", "size"])
        #expect(rows[1].contains(",\"A,\"\"B\"\"\",trade,1.234500007,7.00000001,Q,@ F,,"))
        #expect(
            rows[2].split(separator: ",", omittingEmptySubsequences: false).count
                == columns.count)
        #expect(rows.count == 4 && rows[3].isEmpty)
        let table = try bench.tail(["--limit", "9"]).lines
        #expect(
            table[0].hasPrefix(
                "2025-06-15 15:06:40.123456796Z A,\"B\"      trade   1.234500007 x 7.00000001  Q  "
                    + "@ F  snapshot delayed"))
        #expect(table[0].hasSuffix("  test/0/1"))
        #expect(table[1].contains(" C          quote   -0.000000005 x 0.00000001 N / "))
    }

    @Test("a hole and what is no packet are named, and change the exit code")
    func damage() throws {
        let bench = try bench("tail_e")
        var source = try bench.source(0, ["A", "B"])
        try publish(&source)
        source.skip = 5
        try publish(&source)
        try TestSource.put(
            Array("hello".utf8), on: bench.tape.names.ticks(Partition(0), source.source),
            of: bench.tape)
        try publish(&source)
        let found = try bench.tail(["--json", "--limit", "100"])
        #expect(found.code == .dataError)
        #expect(found.lines.count == 30)
        #expect(
            found.errors.contains(
                "TAIL_E_TICKS_0: ordinals 11 to 15 of test in partition 0 are missing on the tape "
                    + "before 2"))
        #expect(found.errors.contains("TAIL_E_TICKS_0: the packet at 3 cannot be read: "))
        #expect(found.errors.contains("2 problems on the tape, 30 ticks of 4 packets shown"))
        // A tail that starts after the problem does not see it.
        let behind = try bench.tail(
            ["--json", "--partition=0", "--from=seq:4", "--to=seq:9"])
        #expect(behind.code == .success && behind.lines.count == 10)
    }

    @Test("following shows what comes, until it is asked to stop, and says how much it was")
    func follows() throws {
        let bench = try bench("tail_f")
        var source = try bench.source(3, ["A", "B"])
        try publish(&source)
        let shutdown = ShutdownSignal()
        let outcome = Lock<Result<Said, any Error>?>(nil)
        let thread = try ServiceThread(name: "tail") {
            let result = Result {
                try bench.tail(["--json"], shutdown: shutdown)
            }
            outcome.set(result)
        }
        // It begins at the end, so it shows only what comes after its consumer was made.
        let stream = bench.tape.names.tickStream(3)
        #expect(
            try eventually {
                let answer = try bench.tape.client.connection.request(
                    [], to: "$JS.API.CONSUMER.NAMES.\(stream)", timeout: patience)
                return try JSONValue.parse(answer.payload)["consumers"]?.array?.isEmpty == false
            })
        try publish(&source)
        try publish(&source)
        #expect(eventually { bench.written.count { $0 == "\n" } == 20 })
        shutdown.request("test")
        thread.join()
        let found = try #require(outcome.value).get()
        #expect(found.code == .success)
        let places = try found.places()
        #expect(places == (11...30).map { "test/3/\($0)" })
        #expect(found.errors == "tapeline: 20 ticks of 2 packets\n")
    }

    @Test("markers and watermarks are shown when they are asked for")
    func control() throws {
        let bench = try bench("tail_g")
        var builder = PacketBuilder(
            kind: .ticks, partition: Partition(0), source: try #require(SourceName("s")))
        let seal = PacketBuilder.Seal(
            epoch: 7, firstOrdinal: 31, watermark: .undefined,
            sendTime: Timestamp(nanoseconds: TailBench.start))
        let marker = EpochMarker(
            startOrdinal: 31, previousEpoch: 6, previousSequence: 0, definition: 0, generation: 0)
        let source = try #require(SourceName("s"))
        try TestSource.put(
            builder.seal(seal, marker: marker).bytes,
            on: bench.tape.names.ticks(Partition(0), source), of: bench.tape)
        #expect(try bench.tail(["--json", "--limit", "9"]).output.isEmpty)
        let shown = try bench.tail(["--json", "--control", "--limit", "9"]).objects()
        #expect(shown.count == 1 && shown[0]["kind"]?.string == "marker")
        #expect(shown[0]["start_ordinal"]?.int == 31 && shown[0]["previous_epoch"]?.int == 6)
        #expect(shown[0]["ordinal"] == nil)
        #expect(try bench.tail(["--kind", "watermark", "--limit", "9"]).output.isEmpty)
    }

    @Test("another number of partitions than the tape has is refused, with what it has")
    func otherPartitions() throws {
        let bench = try bench("tail_h")
        var environment = bench.tape.environment
        environment["MDS_PARTITIONS"] = "8"
        let deployment = try Deployment.find(
            TapeTarget(), environment: environment, executable: "/x")
        let error = #expect(throws: ToolError.self) { try deployment.openTape() }
        #expect(error?.exitCode == .usage)
        #expect(error?.description.contains("tapeline.partitions is 4, not 8") == true)
    }
}

/// A value that a thread leaves for the test.
final class Lock<Value: Sendable>: @unchecked Sendable {
    // Safety: `held` is touched with `lock` held only.
    private let lock = NSLock()
    private var held: Value

    init(_ value: Value) { held = value }
    var value: Value { lock.withLock { held } }
    func set(_ value: Value) { lock.withLock { held = value } }
}

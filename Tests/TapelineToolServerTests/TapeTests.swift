import Membership
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

@Suite("tapeline tape, and the request to rebuild a partition")
struct TapeTests {
    private func tape(_ bench: TailBench, _ arguments: [String] = []) throws -> Said {
        try Said(["tape"] + arguments, bench.tape.environment)
    }

    @Test("streams, partitions, sources, rates and what is not known")
    func report() throws {
        let bench = try TailBench(NatsServer.shared(), namespace: "tape_a")
        var one = try bench.source(1, ["A"], name: "ib")
        var other = try bench.source(1, ["A"], name: "zz")
        for number in 1...4 {
            one.append(TailBench.trade(0, Int64(number)))
            try one.publish(watermark: Timestamp(nanoseconds: TailBench.start))
        }
        other.epoch = 7
        other.append(TailBench.trade(0, 1))
        try other.publish(watermark: .undefined)
        let json = try JSONValue.parse(tape(bench, ["--json", "--no-rate"]).output)
        let streams = try #require(json["streams"]?.array)
        #expect(
            streams.compactMap { $0["name"]?.string }
                == (0..<4).map { "TAPE_A_TICKS_\($0)" } + ["TAPE_A_BARS"])
        #expect(streams[1]["messages"]?.int == 5 && streams[1]["last_sequence"]?.int == 5)
        #expect(streams[1]["max_bytes"]?.int == Int(TestTape.streamBytes))
        let free = try #require(streams[1]["headroom_bytes"]?.int)
        #expect(free + (streams[1]["bytes"]?.int ?? 0) == Int(TestTape.streamBytes))
        #expect(streams[1]["first_time"]?.string?.hasSuffix("Z") == true)
        #expect(streams[0]["first_time"] == nil && streams[0]["replicas"]?.int == 1)
        let partitions = try #require(json["partitions"]?.array)
        #expect(partitions.count == 1 && partitions[0]["partition"]?.int == 1)
        let sources = try #require(partitions[0]["sources"]?.array)
        #expect(sources.map { $0["source"]?.string } == ["ib", "zz"])
        #expect(sources.map { $0["last_ordinal"]?.int } == [4, 1])
        #expect(sources.map { $0["epoch"]?.int } == [1, 7])
        #expect(sources[0]["watermark"]?.string == "2025-06-15T15:06:40.123456789Z")
        #expect(sources[1]["watermark"] == nil && sources[0]["ticks_per_second"] == nil)
        #expect(json["durability"]?.string == "unknown")
        #expect(json["durability_reason"]?.string?.contains("NATS_MONITOR_URL") == true)
        #expect(json["writer_unknown"]?.string?.contains("POSTGRES_HOST") == true)
    }

    @Test("the table fits into 100 columns, and has a rate after two looks")
    func table() throws {
        let bench = try TailBench(NatsServer.shared(), namespace: "tape_b")
        var source = try bench.source(3, ["A"], name: "a-source-of-24-character")
        source.append(TailBench.trade(0, 1))
        try source.publish(watermark: Timestamp(nanoseconds: TailBench.start))
        let found = try tape(bench)
        let lines = found.output.split(separator: "\n")
        #expect(lines.allSatisfy { $0.count <= 100 }, "\(found.output)")
        #expect(lines.contains { $0.hasPrefix("TAPE_B_TICKS_3 ") && $0.contains("1 to 1, ") })
        #expect(
            lines.contains {
                $0.hasPrefix("   3 a-source-of-24-character           1     1        0")
            },
            "\(found.output)")
    }

    @Test("what is derived over all partitions has a line of its own")
    func universe() throws {
        let bench = try TailBench(NatsServer.shared(), namespace: "tape_u")
        var values = TestSource(bench.tape, Partition(0), source: .universe, kind: .bars)
        values.append {
            let time = Timestamp(nanoseconds: TailBench.start)
            return $0.append(
                IndicatorValue(
                    header: TickHeader(
                        symbol: TickHeader.noSymbol, providerTime: time, receiveTime: time),
                    name: "market.advance_decline", value: 2_000_000_000, periodStart: time,
                    periodEnd: time)) == .appended
        }
        try values.publish(watermark: Timestamp(nanoseconds: TailBench.start))
        let lines = try tape(bench, ["--no-rate"]).output.split(separator: "\n")
        #expect(lines.contains { $0.hasPrefix(" all universe       ") && $0.hasSuffix("   1") })
        let json = try JSONValue.parse(tape(bench, ["--json", "--no-rate"]).output)
        #expect(json.at("universe", "last_ordinal")?.int == 1)
        #expect(json["partitions"]?.array?.isEmpty == true)
        for arguments in [["--partition", "all"], ["--bars"]] {
            let found = try bench.tail(
                ["--json", "--from", "beginning", "--to", "now"] + arguments)
            #expect(
                try found.objects().compactMap { $0["name"]?.string } == ["market.advance_decline"])
        }
    }

    @Test("lag is what a reader has not taken of each source")
    func lag() throws {
        let names = try ["a", "b"].map { try #require(SourceName($0)) }
        let heads = names.map {
            TapeReport.Head(
                partition: Partition(0), source: $0, lastOrdinal: 100, epoch: 1,
                watermark: .undefined, sequence: 9)
        }
        var position = GroupPosition(group: .store, input: .ticks, partition: Partition(0))
        #expect(TapeReport.lag(nil, behind: heads) == nil)
        #expect(TapeReport.lag(position, behind: heads) == nil)
        position.sources = [
            GroupPosition.Source(source: names[0], lastOrdinal: 90, tapeOrdinal: 90, epoch: 1)
        ]
        #expect(TapeReport.lag(position, behind: heads) == 110)
        // A tape that was restored from a backup is behind its reader, not ahead of it.
        position.sources.append(
            GroupPosition.Source(source: names[1], lastOrdinal: 200, tapeOrdinal: 200, epoch: 1))
        #expect(TapeReport.lag(position, behind: heads) == 10)
    }

    @Test("what holds of the disk is asked from the server itself")
    func durability() throws {
        for (interval, expected) in [
            ("always", "on disk"),
            ("3s", "on disk within 3 s: a power cut can take what is younger"),
        ] {
            let monitor = freePort()
            var options = NatsServer.Options()
            options.syncInterval = interval
            options.extra = "http: \"127.0.0.1:\(monitor)\""
            let tape = try TestTape(NatsServer(options), namespace: "dur")
            let client = try tape.connect()
            defer { client.close() }
            // A failed server of the same cluster does not hide it.
            let monitors = [freePort(), monitor].map {
                TapeWatch.Monitor(host: "127.0.0.1", port: $0)
            }
            var report = TapeReport()
            #expect(
                eventually {
                    report.durability = TapeWatch.durability(monitors, client)
                    return report.lines.last == "durability: \(expected)"
                }, "\(report.lines.last ?? "")")
            let json = try JSONValue.parse(report.json())
            #expect(json["acknowledged_means"]?.string == expected)
            #expect(json["durability"]?.string == (interval == "always" ? "always" : "interval"))
        }
    }

    // MARK: rebuilding

    private func rebuild(_ bench: TailBench, _ arguments: [String]) throws -> Said {
        try Said(["partition", "rebuild"] + arguments, bench.tape.environment)
    }

    @Test("the request is made, waited for, and stays when nobody takes it")
    func rebuilding() throws {
        let bench = try TailBench(NatsServer.shared(), namespace: "rebuild")
        #expect(throws: ToolError.self) { try rebuild(bench, ["2", "--yes"]) }
        let bucket = try bench.tape.client.jetStream.createBucket(
            KeyValueConfiguration(bucket: "rebuild_operator", bytesMax: 1 << 20))
        // Without a terminal an option is the person's consent.
        #expect(throws: ToolError.self) { try rebuild(bench, ["2"]) }
        #expect(throws: ToolError.self) { try rebuild(bench, ["4", "--yes"]) }
        #expect(try bucket.get("operator.2.rebuild") == nil)
        let unheard = try rebuild(bench, ["2", "--yes", "--timeout", "1"])
        #expect(unheard.code == .temporary)
        #expect(unheard.errors.contains("partition 2 is not rebuilt after 1 s"))
        let request = try #require(try bucket.get("operator.2.rebuild"))
        #expect(try JSONValue.parse(request.value)["requested_ns"]?.int != nil)
        // A worker deletes the request when it is done.
        let worker = try ServiceThread(name: "worker") {
            // The deletion fails as long as there is no request.
            _ = eventually {
                do {
                    guard let request = try bucket.get("operator.3.rebuild") else { return false }
                    let outcome = try bucket.delete(request.key, expected: request.revision)
                    return outcome != .conflict(present: nil)
                } catch {
                    return false
                }
            }
        }
        let done = try rebuild(bench, ["3", "--yes", "--timeout", "60"])
        worker.join()
        #expect(done.code == .success)
        #expect(done.output.hasSuffix("partition 3 is rebuilt\n"))
        let again = try rebuild(bench, ["2", "--yes", "--timeout", "1"])
        #expect(again.output.contains("2 was asked for before"))
        // All of them in one call, or none if one does not exist.
        #expect(throws: ToolError.self) { try rebuild(bench, ["0-4", "--yes"]) }
        #expect(try bucket.get("operator.0.rebuild") == nil)
        let several = try rebuild(bench, ["0-1,2", "3", "--yes", "--timeout", "1"])
        #expect(several.code == .temporary)
        for number in 0...3 {
            #expect(several.errors.contains("partition \(number) is not rebuilt after 1 s"))
            #expect(try bucket.get("operator.\(number).rebuild") != nil)
        }
    }

    @Test(
        "partitions to rebuild are numbers and ranges",
        arguments: [
            ("3", [3]), ("0-2,7", [0, 1, 2, 7]), ("5 5,4-5", [5, 4]),
        ])
    func partitionsToRebuild(words: String, numbers: [Int]) throws {
        let command = try rebuildCommand(words.split(separator: " ").map(String.init))
        #expect(command.partitions.map(\.number) == numbers)
    }
}

private func rebuildCommand(_ arguments: [String]) throws -> PartitionRebuild {
    try PartitionRebuild(
        CommandArguments(PartitionCommand.page, ["rebuild"] + arguments, now: .undefined))
}

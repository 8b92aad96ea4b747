import Foundation
import MarketModel
import Membership
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing
@testable import DeploymentWatch
@testable import TapelineTool
@testable import TapelineToolTests

@Suite("tapeline watch, of a real server")
struct WatchOnServerTests {
    private func watch(
        _ bench: TailBench, _ arguments: [String], shutdown: ShutdownSignal = ShutdownSignal()
    ) throws -> Said {
        try Said(["watch"] + arguments, bench.tape.environment, shutdown: shutdown)
    }

    @Test("a database that does not answer makes no age older, and the screen says why")
    func silentDatabase() throws {
        let silent = try SilentListener()
        let bench = try TailBench(NatsServer.shared(), namespace: "watch_b")
        var environment = bench.tape.environment
        environment["POSTGRES_HOST"] = "127.0.0.1"
        environment["POSTGRES_PORT"] = "\(silent.port)"
        environment["POSTGRES_PASSWORD"] = "x"
        let feed = try WatchFeed(
            try Deployment.find(TapeTarget(), environment: environment, executable: "/x"))
        defer { feed.close() }
        var sample = try feed.sample()
        #expect(sample.gaps == nil)
        // The query stays unanswered for longer than a sample takes.
        #expect(
            eventually {
                sample = (try? feed.sample()) ?? sample
                return sample.gapsAbsence.hasPrefix("the database has not answered for ")
            }, "\(sample.gapsAbsence)")
        #expect(sample.now.isDefined && sample.readAt > .distantPast)
    }

    @Test("a real tape with a reader that tells how far it is")
    func real() throws {
        let bench = try TailBench(NatsServer.shared(), namespace: "watch_a")
        var source = try bench.source(1, ["A"], name: "ib")
        for number in 1...5 as ClosedRange<Int64> {
            source.append(TailBench.trade(0, number))
            try source.publish(watermark: Timestamp(nanoseconds: TailBench.start))
        }
        let client = try bench.tape.connect()
        defer { client.close() }
        let reporter = try PositionReporter(client, group: "reader")
        reporter.report(now: MonotonicTime(nanoseconds: 0)) {
            [
                ReaderPosition(
                    partition: Partition(1), input: .ticks, sequence: 3, durable: 3,
                    sources: [SourceOrdinal(source: source.source, epoch: 1, lastOrdinal: 3)])
            ]
        }
        let json = try JSONValue.parse(watch(bench, ["--once", "--json"]).output)
        let seen = try #require(json["sources"]?.array?.first)
        #expect(seen["name"]?.string == "ib" && seen["last_ordinals"]?.int == 5)
        #expect(seen["per_second"]?.double == 0)
        let group = try #require(json["groups"]?.array?.first { $0["group"]?.string == "reader" })
        #expect(group["lag_ticks"]?.int == 2)
        #expect(json["streams"]?.array?.count == 5)
        #expect(json["gaps_unknown"]?.string?.contains("POSTGRES_HOST") == true)
        let other = try JSONValue.parse(
            watch(bench, ["--once", "--json", "--source", "other"]).output)
        #expect(other["sources"]?.array?.isEmpty == true)
        let own = try JSONValue.parse(watch(bench, ["--once", "--json", "--source", "ib"]).output)
        #expect(own["sources"]?.array?.count == 1)
        let text = try watch(bench, ["--once"])
        #expect(text.code == .success)
        #expect(text.output.hasPrefix("tapeline watch  127.0.0.1:"))
        #expect(text.output.contains("reader                   ▲ 2 records behind"))
        withExtendedLifetime(reporter) {}
    }

    @Test("a watch that is stopped ends in order; without its server it says so")
    func ends() throws {
        let bench = try TailBench(NatsServer.shared(), namespace: "watch_b")
        let shutdown = ShutdownSignal()
        shutdown.request()
        #expect(try watch(bench, [], shutdown: shutdown).code == .success)
        let error = try #require(throws: ToolError.self) {
            try Said(["watch"], ["NATS_URL": "nats://127.0.0.1:1"])
        }
        #expect(error.exitCode == .unavailable)
    }
}

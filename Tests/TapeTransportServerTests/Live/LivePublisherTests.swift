import Foundation
import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import Synchronization
import TapeCodec
import TapeProtocol
import TestSupport
import Testing

@testable import TapeTransport
@testable import ServiceTestSupport
@testable import TapeTransportTests

@Suite
struct LivePublisherTests {
    private let names: TapeNames
    private let log = CapturedLog()
    private let hub: TelemetryHub

    init() throws {
        names = try #require(TapeNames(namespace: "md", partitions: 4))
        hub = TelemetryHub(
            logger: Logger(service: "test", level: .debug, format: .json, sink: log.sink),
            metrics: MetricRegistry())
    }

    private func publisher(_ url: String) throws -> LivePublisher {
        try LivePublisher(
            NatsConfiguration(urls: [url], clientName: "test"), names: names, telemetry: hub,
            threads: ThreadWatch())
    }

    private func metric(_ line: String) -> Double? {
        String(decoding: hub.metrics.render(), as: UTF8.self).split(separator: "\n")
            .first { $0.hasPrefix("\(line) ") }.flatMap { Double($0.dropFirst(line.count + 1)) }
    }

    @Test("a subscriber in another language reads every symbol, and decimals digit by digit")
    func foreignSubscriber() throws {
        let server = try NatsServer()
        let texts = [
            "BRK.B", "ES=F", "BTC/USD", "^GSPC", "7203.T", "SPY   261218C00500000", "🚀",
            String(repeating: "é", count: 150), "*", "a>b", "100%", "say \"so\"\\",
        ]
        let folder = try TemporaryFolder("live")
        let listener = try ServerProcess(
            "/usr/bin/env",
            [
                "python3", folder.script("live_subscriber.py"), "127.0.0.1", "\(server.port)",
                "md.live.>", "\(texts.count * 3)",
            ], logPath: folder.file("out"))
        #expect(eventually { listener.log.contains("ready") }, "\(listener.log)")

        let live = try publisher(server.url)
        // An offer before there is a link finds no subscriber.
        var probe = try LivePackets()
        #expect(
            eventually {
                live.offer(probe.marker())
                live.offer(probe.other())
                return log.contains("live.began")
            }, "\(log.text)")
        var packets = try LivePackets()
        for text in texts { live.offer(try packets.ticks(text)) }
        for text in texts { live.offer(try packets.bar(text)) }
        #expect(listener.waitUntilExit() == 0, "\(listener.log)")

        let lines = listener.log.split(separator: "\n").dropFirst().map(String.init)
        let found = try lines.map {
            try #require(
                JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
        }
        for text in texts {
            let own = found.filter { $0["symbol"] as? String == text }
            #expect(own.map { $0["kind"] as? String } == ["trade", "quote", "bar"], "\(text)")
            let messages = own.compactMap { $0["message"] as? [String: Any] }
            #expect(messages.allSatisfy { $0["symbol"] as? String == text })
            #expect(messages.first?["price"] as? String == "-9223372036.854775807")
            #expect(messages.first?["size"] as? String == "0.00000001")
            #expect(messages.dropFirst().first?["bid"] as? String == "0.1")
            #expect(messages.dropFirst().first?["ask"] == nil, "undefined is left out")
            #expect(
                messages.last?["notional"] as? String
                    == "1701411834604692317316.87303715884105727")
            #expect(own.last?["series"] as? [String] == ["1m"])
            #expect(own.allSatisfy { $0["source"] as? String == "synthetic" })
        }
        live.close()
    }

    @Test("without a link ticks are dropped and counted by that, and told once")
    func noLink() throws {
        let live = try publisher("nats://127.0.0.1:\(freePort())")
        var packets = try LivePackets()
        let packet = try packets.ticks("AAPL")
        for _ in 0..<5 { live.offer(packet) }
        #expect(eventually { metric("mds_live_dropped_total{reason=\"no_link\"}") == 10 })
        live.close()
        #expect(log.count(of: "live.stopped") == 1, "\(log.text)")
        live.offer(packet)
        #expect(metric("mds_live_dropped_total{reason=\"full\"}") == 2, "it is closed")
    }

    @Test("after NATS was away it goes on by itself")
    func restart() throws {
        let server = try NatsServer()
        let live = try publisher(server.url)
        var packets = try LivePackets()
        let packet = try packets.ticks("AAPL")
        func sent() -> Double { metric("mds_live_messages_total{kind=\"trade\"}") ?? 0 }
        #expect(
            eventually {
                live.offer(packet)
                return sent() > 0
            })
        server.kill()
        #expect(
            eventually {
                live.offer(packet)
                return log.count(of: "live.stopped") > 0
            })
        try server.start()
        let before = sent()
        #expect(
            eventually {
                live.offer(packet)
                return sent() > before
            })
        live.close()
    }

    @Test("a full queue refuses, counts the ticks, and has room again when some are taken")
    func fullQueue() throws {
        let metrics = LiveMetrics(hub.metrics, packetsMax: 2)
        let queue = LiveQueue(packetsMax: 2, bytesMax: 1 << 20, metrics)
        var packets = try LivePackets()
        let packet = try packets.ticks("AAPL")
        for _ in 0..<5 { queue.offer(packet) }
        #expect(queue.refusals == 3)
        #expect(metric("mds_live_dropped_total{reason=\"full\"}") == 6)
        var taken: [LiveQueue.Packet] = []
        queue.receive(into: &taken, max: 8, timeout: .zero)
        #expect(taken.count == 2 && taken[0].ticks == 2)
        queue.offer(packet)
        #expect(queue.count == 1)

        let narrow = LiveQueue(packetsMax: 8, bytesMax: packet.byteCount * 2, metrics)
        for _ in 0..<3 { narrow.offer(packet) }
        #expect(narrow.count == 2 && narrow.refusals == 1)
        narrow.receive(into: &taken, max: 1, timeout: .zero)
        narrow.offer(packet)
        #expect(narrow.count == 2 && narrow.refusals == 1)
    }

    @Test("a symbol that is too long for a subject is counted, and no other one suffers")
    func longSymbol() throws {
        let server = try NatsServer()
        let live = try publisher(server.url)
        var packets = try LivePackets()
        let long = try packets.ticks(String(repeating: "🚀", count: 128))
        let plain = try packets.ticks("AAPL")
        #expect(
            eventually {
                live.offer(long)
                live.offer(plain)
                return metric("mds_live_messages_total{kind=\"quote\"}") ?? 0 > 0
                    && metric("mds_live_dropped_total{reason=\"subject\"}") ?? 0 > 0
            })
        live.close()
    }

    @Test("a user without the right is told by NATS, and the log says so")
    func noRight() throws {
        var options = NatsServer.Options()
        options.users = [
            NatsServer.User(
                name: "gateway", password: "secret", permissions: "publish: [\"_INBOX.>\"]")
        ]
        let server = try NatsServer(options)
        var configuration = NatsConfiguration(urls: [server.url], clientName: "test")
        configuration.user = "gateway"
        configuration.password = "secret"
        let live = try LivePublisher(
            configuration, names: names, telemetry: hub,
            threads: ThreadWatch())
        var packets = try LivePackets()
        let packet = try packets.ticks("AAPL")
        #expect(
            eventually {
                live.offer(packet)
                return log.contains("live.complaint")
            })
        live.close()
    }
}

extension TemporaryFolder {
    /// Returns the path of a program in the folder of this file.
    fileprivate func script(_ name: String) -> String {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent(name).path
    }
}

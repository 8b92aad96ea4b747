import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import ServiceTestSupport
import Synchronization
import TapeProtocol
import TestSupport
import Testing

@testable import TapeTransport
@testable import TapeTransportTests

/// Who hears, and where.
private enum Hearer: CaseIterable {
    case plain
    case wildcard
    case queueGroup
    /// A stream that keeps what is published live.
    case stream
    /// Another account that imports the subjects.
    case otherAccount
    /// A client of another server of the cluster.
    case otherServer
    /// A client of a server that is a leaf node of the gateway's.
    case leafNode

    /// The pattern that it subscribes to.
    var pattern: String {
        self == .wildcard || self == .otherAccount ? "md.live.>" : "md.live.trade.AAPL.synthetic"
    }
}

/// The servers of a hearer, the gateway's first.
private struct HearingServers {
    let servers: [NatsServer]
    let publisher: NatsConfiguration
    let listener: NatsConfiguration

    init(_ hearer: Hearer) throws {
        var options = NatsServer.Options()
        switch hearer {
        case .plain, .wildcard, .queueGroup, .stream:
            servers = [try NatsServer(options)]
            publisher = NatsConfiguration(urls: [servers[0].url], clientName: "test")
            listener = publisher
        case .otherAccount:
            options.jetStream = false
            options.extra = """
                accounts {
                    A { users: [{ user: a, password: a }], exports: [{ stream: "md.live.>" }] }
                    B {
                        users: [{ user: b, password: b }]
                        imports: [{ stream: { account: A, subject: "md.live.>" } }]
                    }
                }
                """
            servers = [try NatsServer(options)]
            publisher = Self.configuration(servers[0], user: "a")
            listener = Self.configuration(servers[0], user: "b")
        case .otherServer:
            let cluster = try NatsCluster(canBeCut: false)
            servers = cluster.nodes
            publisher = NatsConfiguration(urls: [servers[0].url], clientName: "test")
            listener = NatsConfiguration(urls: [servers[1].url], clientName: "listener")
        case .leafNode:
            options.jetStream = false
            let port = freePort()
            options.extra = "leafnodes { listen: \"127.0.0.1:\(port)\" }"
            let hub = try NatsServer(options)
            options.name = "leaf"
            options.extra = "leafnodes { remotes: [{ url: \"nats-leaf://127.0.0.1:\(port)\" }] }"
            servers = [hub, try NatsServer(options)]
            publisher = NatsConfiguration(urls: [servers[0].url], clientName: "test")
            listener = NatsConfiguration(urls: [servers[1].url], clientName: "listener")
        }
    }

    private static func configuration(_ server: NatsServer, user: String) -> NatsConfiguration {
        var made = NatsConfiguration(urls: [server.url], clientName: "test")
        (made.user, made.password) = (user, user)
        return made
    }
}

@Suite("Live subjects and who hears them")
struct LiveHearingServerTests {
    private let hub = TelemetryHub(
        logger: Logger(service: "test", level: .error, format: .json, sink: CapturedLog().sink),
        metrics: MetricRegistry())

    private func sent(_ kind: String) -> Double {
        let line = "mds_live_messages_total{kind=\"\(kind)\"} "
        return String(decoding: hub.metrics.render(), as: UTF8.self).split(separator: "\n")
            .first { $0.hasPrefix(line) }.flatMap { Double($0.dropFirst(line.count)) } ?? 0
    }

    @Test(
        "a subject goes quiet, is heard when somebody comes, and goes quiet when he leaves",
        arguments: Hearer.allCases)
    fileprivate func comesAndLeaves(hearer: Hearer) throws {
        let servers = try HearingServers(hearer)
        let names = try #require(TapeNames(namespace: "md", partitions: 4))
        let live = try LivePublisher(
            servers.publisher, names: names, telemetry: hub, threads: ThreadWatch())
        defer { live.close() }
        var packets = try LivePackets()
        let packet = try packets.ticks("AAPL")
        func offered(until isTrue: () -> Bool) -> Bool {
            eventually {
                live.offer(packet)
                return isTrue()
            }
        }
        #expect(offered { live.isQuiet }, "nobody hears")
        // While it is quiet, nothing reaches the live thread.
        let before = sent("trade")
        #expect(before > 0, "the first message is the question")

        let client = try NatsConnection(servers.listener) { _ in }
        defer { client.close() }
        let heard = Atomic<Int>(0)
        var leave: () throws -> Void
        if hearer == .stream {
            let stream = StreamConfiguration(
                name: "LIVE", subjects: ["md.live.>"], maxBytes: 1 << 24)
            _ = try JetStream(client).createStream(stream)
            leave = {
                _ = try client.request([], to: "$JS.API.STREAM.DELETE.LIVE", timeout: .seconds(5))
            }
        } else {
            let subscription = try client.subscribe(
                hearer.pattern, pendingMessagesMax: 1_000,
                queue: hearer == .queueGroup ? "readers" : nil
            ) { _ in heard.add(1, ordering: .relaxed) }
            leave = { subscription.unsubscribe() }
        }
        if hearer == .stream {
            #expect(offered { sent("trade") > before + 10 }, "all are sent again")
        } else {
            #expect(offered { heard.load(ordering: .relaxed) > 10 }, "all are sent again")
        }
        #expect(!live.isQuiet)
        try leave()
        #expect(offered { live.isQuiet }, "nobody hears any more")
    }
}

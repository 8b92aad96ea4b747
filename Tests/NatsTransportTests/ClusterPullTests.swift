import NatsTransport
import TestSupport
import Testing

@Suite("Pulls in a cluster")
struct ClusterPullTests {
    private static let consumers = 60

    private struct World {
        let cluster: NatsCluster
        let connection: NatsConnection
        let jetStream: JetStream

        init(messages: Int) throws {
            cluster = try NatsCluster()
            connection = try cluster.nodes[0].connect()
            jetStream = JetStream(connection, timeout: patience)
            // The servers give no copy to one that they have hardly heard of.
            let streams = jetStream
            let isMade = eventually {
                let wanted = StreamConfiguration(name: "S", subjects: ["s.>"], replicas: 3)
                return (try? streams.createStream(wanted)) != nil
            }
            try #require(isMade, "\(cluster.nodes.map(\.log))")
            for number in 0..<messages {
                _ = try connection.request(Array("\(number)".utf8), to: "s.a", timeout: patience)
            }
        }

        func make(_ number: Int) throws -> String? {
            try jetStream.createConsumer(
                stream: "S",
                ConsumerConfiguration(
                    name: "C\(number)", filterSubjects: [], deliver: .fromSequence(1)))
        }
    }

    @Test("a consumer on any server hears the first pull", arguments: [0, 3])
    func heard(messages: Int) throws {
        let world = try World(messages: messages)
        let log = try MessageLog("heard.*", on: world.connection)
        var servers: Set<String?> = []
        for number in 0..<Self.consumers {
            servers.insert(try world.make(number))
            try world.jetStream.pull(
                stream: "S", consumer: "C\(number)", batch: 10, bytesMax: nil, expires: .zero,
                idleHeartbeat: .zero, replyTo: "heard.\(number)")
        }
        #expect(servers.count == 3)
        // Each pull ends by a status, after all messages: those were not taken before.
        #expect(eventually { log.all.count { $0.status != nil } == Self.consumers })
        let places = log.all.filter { $0.status == nil }.compactMap {
            PulledMessage.read($0.replyTo ?? "")
        }
        #expect(places.count == Self.consumers * messages)
        #expect(places.count { $0.consumerSequence == 1 } == (messages > 0 ? Self.consumers : 0))
    }

    @Test("a consumer that answers nothing ends the wait by a time-out")
    func unheard() throws {
        let world = try World(messages: 0)
        try expectFailure(NatsError.timedOut) {
            try world.jetStream.within(.milliseconds(100))
                .waitUntilHeard(stream: "S", consumer: "nobody")
        }
    }
}

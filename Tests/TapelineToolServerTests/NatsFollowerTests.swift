import Membership
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

/// The user of a group of people that follows the tape, on a real server.
@Suite("deploy/nats/server.conf: programs that follow the tape")
struct NatsFollowerTests {
    private static let user = "consumer-features"

    private static func open(_ folder: TemporaryFolder) throws -> ShippedNats {
        let group = try #require(GroupName("features"))
        let shipped = try ShippedNats(folder, followers: [group])
        try NatsConsumerTests.fill(shipped)
        return shipped
    }

    @Test("it reads the tape, looks up its streams, hears the question, and reports its positions")
    func works() throws {
        let folder = try TemporaryFolder()
        let shipped = try Self.open(folder)
        for stream in NatsConsumerTests.tape {
            let client = try shipped.client(Self.user)
            let made = try client.request(
                "$JS.API.CONSUMER.CREATE.\(stream).own",
                NatsConsumerTests.consumer(stream, "own", ""))
            #expect(made.contains("\"created\"") && !made.contains("\"error\""), "\(made)")
            let packet = try client.request(
                "$JS.API.CONSUMER.MSG.NEXT.\(stream).own", "{\"batch\":1,\"no_wait\":true}",
                answer: "MSG ")
            #expect(packet.contains("packet"), "\(stream): \(packet)")
            let looked = try shipped.client(Self.user).request("$JS.API.STREAM.INFO.\(stream)", "")
            #expect(looked.contains("\"last_seq\":1"), "\(stream): \(looked)")
        }
        let follower = try shipped.client(Self.user, lines: "SUB md.ask.positions 2\r\n")
        try follower.settle()
        try shipped.client("gateway").publish("md.ask.positions", "how far?")
        #expect(follower.heard("how far?").contains("MSG md.ask.positions 2"))
        let gateway = try shipped.client("gateway", lines: "SUB md.pos.* 2\r\n")
        try gateway.settle()
        let said = try shipped.client(Self.user).publish("md.pos.features", "so far")
        #expect(!said.contains("-ERR"), "\(said)")
        #expect(gateway.heard("so far").contains("MSG md.pos.features 2"))
    }

    @Test("it may do nothing else that people's programs may not, and these not what it may")
    func refused() throws {
        let folder = try TemporaryFolder()
        let shipped = try Self.open(folder)
        let known = NatsConsumerTests.tape.map { "$JS.API.STREAM.INFO.\($0)" }
        #expect(Set(NatsConsumerTests.refused).isSuperset(of: known))
        for subject in NatsConsumerTests.refused + ["md.pos.other", "md.pos.features.x"]
        where !known.contains(subject) {
            let answer = try shipped.client(Self.user).request(subject, "{}")
            #expect(
                answer.contains("Permissions Violation for Publish"), "\(subject): \(answer)")
        }
        for subject in known + ["md.pos.features"] {
            let answer = try shipped.client("consumer").request(subject, "{}")
            #expect(
                answer.contains("Permissions Violation for Publish"), "\(subject): \(answer)")
        }
        for place in ["md.live", "md.bars", "md.pos", "md.hb", "md.ask", "md.head", "$SRV"] {
            let answer = try shipped.client(Self.user, inbox: place).request("$SRV.PING", "")
            #expect(
                answer.contains("Permissions Violation for Subscription"), "\(place): \(answer)")
        }
    }
}

import MarketModel
import Primitives
import ServiceRuntime
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

/// `tapeline actions serve` on a real server with the shipped rights.
@Suite("Requests to act, and what only looks like one")
struct ActionRightsTests {
    private static func request(carrier: UInt64 = 0) -> ActionRequest {
        ActionRequest(
            number: .random(in: 1...UInt64.max), carrier: carrier, asked: SystemClock().now(),
            person: "alice",
            origin: "10.0.0.9", reason: "a test",
            words: ["watchlist", "remove", "AAPL", "--source", "ibkr"])
    }

    /// The server with the tape's streams, and the process that carries actions out.
    private final class Scene {
        let folder: TemporaryFolder
        let shipped: ShippedNats
        var carrier: ServerProcess

        init() throws {
            folder = try TemporaryFolder()
            shipped = try ShippedNats(folder)
            #expect(try Said(["setup"], shipped.environment("tool")).code == .success)
            carrier = try Self.start(folder, shipped)
        }

        private static func start(
            _ folder: TemporaryFolder, _ shipped: ShippedNats
        ) throws -> ServerProcess {
            let process = try ServerProcess(
                ProductPrograms.path("tapeline"), ["actions", "serve"],
                environment: shipped.environment("actions")
                    .merging(["COCKPIT_ACTIONS_KEY": shipped.plan.secrets[.actionsKey]]) { $1 }
                    .merging(ProductPrograms.profile("tapeline")) { $1 },
                logPath: folder.file("actions.log"))
            #expect(
                eventually { process.log.contains("actions are carried out") }, "\(process.log)")
            return process
        }

        /// Ends the process, expects that it ended well, and starts another one.
        func restart() throws {
            #expect(carrier.stop() == 0, "\(carrier.log)")
            carrier = try Self.start(folder, shipped)
        }

        /// Returns how many messages the stream has in which the records of actions are.
        func messages() throws -> Int? {
            let info = try shipped.client("tool").request("$JS.API.STREAM.INFO.MD_TICKS_0", "")
            return info.firstMatch(of: /"messages":(\d+)/).flatMap { Int($0.1) }
        }

        /// Returns what the cockpit sends.
        func sealed(_ request: ActionRequest) throws -> String {
            let key = try #require(ActionKey(shipped.plan.secrets[.actionsKey]))
            return String(decoding: key.seal(request, for: "md.act"), as: UTF8.self)
        }

        /// Sends bytes as the cockpit's user, and returns the answer.
        func ask(_ bytes: String) throws -> ActionAnswer {
            let answer = try shipped.client("cockpit").request("md.act", bytes)
            let json = try #require(answer.split(separator: "\r\n").last)
            return try ActionAnswer(json: Array(json.utf8))
        }

        /// Returns the number of the process that carries actions out.
        func number() throws -> UInt64 {
            let answer = try ask(sealed(ActionRequest()))
            #expect(answer.stage == .done && answer.carrier != 0, "\(answer)")
            return answer.carrier
        }
    }

    @Test("bytes of another subject that a worker has delivered there are no request")
    func delivered() throws {
        let scene = try Scene()
        let worker = try scene.shipped.client("operator")
        // Also what the cockpit itself has made is none when it comes so.
        let stored = try worker.request(
            "md.bars.1", scene.sealed(Self.request(carrier: scene.number())))
        #expect(stored.contains("\"seq\":1"), "\(stored)")
        let made = try worker.request(
            "$JS.API.CONSUMER.CREATE.MD_BARS.zz",
            #"{"stream_name":"MD_BARS","config":{"name":"zz","ack_policy":"none"}}"#)
        #expect(made.contains("\"created\""), "\(made)")
        try worker.publish(
            "$JS.API.CONSUMER.MSG.NEXT.MD_BARS.zz", #"{"batch":1}"#, replyTo: "md.act")
        let line = "a message of the consumer zz of the stream MD_BARS on md.bars.1 was not carried"
        #expect(eventually { scene.carrier.log.contains(line) }, "\(scene.carrier.log)")
        #expect(scene.carrier.stop() == 0)
        #expect(!scene.carrier.log.contains("alice"), "\(scene.carrier.log)")
        #expect(try scene.messages() == 0)
    }

    @Test("a request that was recorded is not carried out again, not by the next process either")
    func replayed() throws {
        let scene = try Scene()
        let recorded = try scene.sealed(Self.request(carrier: scene.number()))
        let first = try scene.ask(recorded)
        // No gateway has opened the source. Both records of the action are on the tape, each
        // behind the marker of its own epoch.
        #expect(first.outcome.contains("ibkr"), "\(first)")
        let messages = try scene.messages()
        #expect(messages == 4)
        let again = try scene.ask(recorded)
        #expect(again == ActionAnswer(.refused, "it was taken already"))
        try scene.restart()
        let late = try scene.ask(recorded)
        #expect(late.stage == .refused && late.outcome.contains("process that has ended"))
        #expect(scene.carrier.log.contains("on md.act was not carried"), "\(scene.carrier.log)")
        #expect(try scene.messages() == messages)
    }

    @Test("a flood of messages is counted whole, and makes a hundred lines and then one a second")
    func flood() throws {
        let scene = try Scene()
        let cockpit = try scene.shipped.client("cockpit")
        for _ in 0..<300 {
            let answer = try cockpit.request("md.act", "{}")
            #expect(answer.contains("proof"), "\(answer)")
        }
        #expect(try scene.ask(scene.sealed(ActionRequest())).notTaken == 300)
        #expect(scene.carrier.stop() == 0)
        let lines = scene.carrier.log.split(separator: "\n").filter { $0.contains("not_taken") }
        let told = lines.count { $0.contains("was not carried out") }
        let leftOut = lines.compactMap {
            $0.firstMatch(of: /(\d+) more lines/).flatMap { Int($0.1) }
        }
        #expect(told < 250 && told + leftOut.reduce(0, +) == 300, "\(scene.carrier.log)")
    }

    @Test("the cockpit's user is believed by its proof alone, and answered on its inbox alone")
    func unproven() throws {
        let scene = try Scene()
        let request = Self.request(carrier: try scene.number())
        let forged = try scene.ask(String(decoding: request.json, as: UTF8.self))
        #expect(forged.stage == .refused && forged.outcome.contains("proof"), "\(forged)")
        let proven = try scene.sealed(request)
        let cockpit = try scene.shipped.client("cockpit")
        for place in ["", "md.ticks.0.manual"] {
            try cockpit.publish("md.act", proven, replyTo: place)
        }
        #expect(
            eventually { scene.carrier.log.contains("count=3") }, "\(scene.carrier.log)")
        #expect(try scene.messages() == 0)
    }
}

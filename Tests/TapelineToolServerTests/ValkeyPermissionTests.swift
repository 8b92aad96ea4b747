import Foundation
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

/// The shipped users of Valkey, on a real server, as the local stack runs it.
@Suite("deploy/valkey/users.conf")
struct ValkeyPermissionTests {
    /// User, command, and whether it is allowed.
    private static let attempts: [(String, [String], Bool)] = [
        ("writer", ["ping"], true),
        ("writer", ["hset", "md:trade:AAPL:ibkr", "order", "1", "price", "2"], true),
        ("writer", ["hget", "md:trade:AAPL:ibkr", "order"], true),
        ("writer", ["pexpire", "md:trade:AAPL:ibkr", "60000"], true),
        ("writer", ["set", "md:hot:1", "1", "px", "60000"], true),
        ("writer", ["get", "md:hot:1"], true),
        ("writer", ["hset", "acme:quote:BRK.B", "bid", "1"], true),
        ("writer", ["hset", "md:bar:AAPL:1m:ibkr", "open", "1"], true),
        ("writer", ["del", "md:bar:AAPL:1m:ibkr"], true),
        ("writer", ["hset", "md:providerbar:AAPL:trades-5s:ibkr", "a", "1"], true),
        ("writer", ["hset", "md:book:AAPL:ibkr", "bids", "[]"], true),
        ("writer", ["hset", "md:indicator:DGS10:value:fred", "value", "1"], true),
        ("writer", ["hset", "md:lane:0:ibkr", "ordinal", "1"], true),
        ("writer", ["hset", "md:sources", "AAPL", "ibkr:9000000000000", "X", "ibkr:1"], true),
        ("writer", ["hrandfield", "md:sources", "1", "withvalues"], true),
        ("writer", ["hdel", "md:sources", "X"], true),
        ("writer", ["pexpiretime", "md:sources"], true),
        ("writer", ["pexpireat", "md:sources", "9000000000000"], true),
        ("writer", ["script", "load", "return redis.call('HGET', KEYS[1], 'order')"], true),
        ("writer", ["set", "other", "1"], false),
        ("writer", ["hset", "md:position:1", "a", "1"], false),
        ("writer", ["flushall"], false), ("writer", ["flushdb"], false),
        ("writer", ["config", "set", "maxmemory", "1"], false),
        ("writer", ["config", "get", "*"], false), ("writer", ["acl", "list"], false),
        ("writer", ["eval", "return 1", "0"], false), ("writer", ["keys", "*"], false),
        ("writer", ["client", "list"], false), ("writer", ["client", "kill", "id", "1"], false),
        ("writer", ["shutdown", "nosave"], false), ("writer", ["monitor"], false),
        ("writer", ["script", "flush"], false), ("writer", ["publish", "a", "b"], false),
        ("reader", ["ping"], true), ("reader", ["hgetall", "md:trade:AAPL:ibkr"], true),
        ("reader", ["hgetall", "md:providerbar:AAPL:trades-5s:ibkr"], true),
        ("reader", ["hgetall", "md:book:AAPL:ibkr"], true),
        ("reader", ["hgetall", "md:indicator:DGS10:value:fred"], true),
        ("reader", ["hgetall", "md:lane:0:ibkr"], true),
        ("reader", ["hset", "md:lane:0:ibkr", "ordinal", "2"], false),
        ("reader", ["hset", "md:book:AAPL:ibkr", "bids", "[]"], false),
        ("reader", ["hmget", "md:quote:AAPL:ibkr", "bid", "ask"], true),
        ("reader", ["ttl", "md:trade:AAPL:ibkr"], true), ("reader", ["scan", "0"], true),
        ("reader", ["hmget", "md:sources", "AAPL"], true),
        ("reader", ["hscan", "md:sources", "0"], true),
        ("reader", ["hset", "md:sources", "AAPL", "made-up:9000000000000"], false),
        ("reader", ["get", "md:hot:1"], false),
        ("reader", ["hset", "md:trade:AAPL:ibkr", "price", "3"], false),
        ("reader", ["set", "md:trade:AAPL:ibkr", "3"], false),
        ("reader", ["del", "md:trade:AAPL:ibkr"], false),
        ("reader", ["pexpire", "md:trade:AAPL:ibkr", "1"], false), ("reader", ["flushall"], false),
        ("reader", ["script", "load", "return 1"], false),
        ("reader", ["config", "get", "*"], false), ("reader", ["keys", "*"], false),
        ("reader", ["subscribe", "a"], false),
        ("writer", ["acl", "load"], false), ("reader", ["acl", "load"], false),
        ("keys", ["acl", "load"], true), ("keys", ["acl", "list"], false),
        ("keys", ["acl", "setuser", "x"], false), ("keys", ["get", "md:hot:1"], false),
        ("keys", ["shutdown"], false), ("keys", ["config", "get", "*"], false),
    ]
    private static let secrets: [String: StackSecrets.Name] = [
        "writer": .valkey, "reader": .valkeyReader, "keys": .valkeyKeys,
    ]

    @Test(
        "the doctor sees the version of each kind of server, as a user who may only read",
        arguments: ValkeyServer.Edition.allCases)
    func version(_ edition: ValkeyServer.Edition) throws {
        let shipped = try String(
            contentsOfFile: "\(ServerPrograms.checkout)/deploy/valkey/users.conf", encoding: .utf8)
        let reader = try #require(
            shipped.split(separator: "\n").first { $0.hasPrefix("user reader ") })
        let users = reader.replacing("$VALKEY_READER_PASSWORD", with: "of-readers")
        let server = try ValkeyServer(users: "\(users)\n", edition: edition)
        let deployment = try Deployment.find(
            TapeTarget(),
            environment: [
                "NATS_URL": "nats://127.0.0.1:1", "VALKEY_HOST": "127.0.0.1",
                "VALKEY_PORT": "\(server.port)", "VALKEY_USER": "reader",
                "VALKEY_PASSWORD": "of-readers",
            ], executable: "/x")
        let facts = try ValkeyLook.facts(try #require(deployment.valkey), namespace: "md")
        let version = try #require(facts.version)
        #expect(try server.cli("info", "server").contains("_version:\(version)"), "\(facts)")
        #expect(facts.findings.allSatisfy { $0.level == .fine }, "\(facts)")
    }

    @Test("each user may do what it is for, and nothing more; nobody else gets in")
    func permissions() throws {
        let folder = try TemporaryFolder()
        let plan = try testPlan(folder)
        let users = try String(
            contentsOfFile: plan.checkout.deploy("valkey/users.conf"), encoding: .utf8)
        try plan.valkeyConfiguration
            .write(toFile: plan.home.valkeyConfiguration, atomically: true, encoding: .utf8)
        try plan.valkeyUsers(shipped: users)
            .write(toFile: plan.home.valkeyUsers, atomically: true, encoding: .utf8)
        let unit = try #require(plan.units.first { $0.name == "valkey" })
        let server = try ServerProcess(
            unit.executable, unit.arguments, environment: unit.environment,
            logPath: folder.file("valkey.log"))
        #expect(eventually { unit.problem == nil }, "\(server.log)")
        for (user, command, isAllowed) in Self.attempts {
            let secret = try #require(Self.secrets[user])
            let answer = try said(
                plan, ["--user", user] + command, ["REDISCLI_AUTH": plan.secrets[secret]], folder)
            #expect(
                answer.contains("NOPERM") != isAllowed, "\(user) \(command): \(answer)")
            #expect(isAllowed ? !answer.contains("ERR") : true, "\(user) \(command): \(answer)")
        }
        #expect(try said(plan, ["ping"], [:], folder).contains("NOAUTH"))
        let guess = try said(plan, ["get", "a"], ["REDISCLI_AUTH": plan.secrets[.valkey]], folder)
        #expect(guess.contains("NOAUTH"), "\(guess)")
    }

    private func said(
        _ plan: StackPlan, _ arguments: [String], _ environment: [String: String],
        _ folder: TemporaryFolder
    ) throws -> String {
        let process = try ServerProcess(
            plan.checkout.databaseProgram("valkey-cli"),
            ["-h", StackPlan.loopback, "-p", "\(plan.ports[.valkey])"] + arguments,
            environment: environment, logPath: folder.file("cli-\(UUID().uuidString)"))
        _ = process.waitUntilExit()
        return process.log
    }
}

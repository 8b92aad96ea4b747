import ServiceRuntime
import ServiceTestSupport
import TapeProtocol
import TestSupport
import Testing
import ValkeyClient

@testable import HotState
@testable import HotStateTests

@Suite("The hot state and what may happen to Valkey")
struct KeeperFaultTests {
    @Test("down at the start: what was heard is there when it comes")
    func downAtStart() throws {
        let scene = try KeeperScene(["A", "B"]) { $0.kill() }
        try scene.publish(("A", 5), ("B", 6), ("A", 7))
        scene.expectFailure(.connect)
        scene.expectDegraded("hot state")
        try scene.server.restart()
        scene.expectPrices(("A", 7), ("B", 6))
        scene.expectHealthy()
        #expect(try scene.running.stop() == .success)
    }

    @Test(
        "killed and restarted empty: all that was told is written again",
        arguments: ValkeyServer.Edition.allCases)
    func restarted(edition: ValkeyServer.Edition) throws {
        let scene = try KeeperScene(["A", "B", "C"], edition: edition)
        try scene.publish(("A", 1), ("B", 2))
        scene.expectPrices(("A", 1), ("B", 2))
        scene.server.kill()
        try scene.publish(("B", 20), ("C", 30))
        #expect(eventually { !scene.running.degraded.isEmpty })
        try scene.server.restart()
        // The first one has had no news since.
        scene.expectPrices(("A", 1), ("B", 20), ("C", 30))
        scene.expectHealthy()
        #expect(scene.metric("hot_state_rebuilds_total") >= 2)
    }

    @Test(
        "flushed, or without its scripts: all that was told is there again",
        arguments: ValkeyServer.Edition.allCases)
    func flushed(edition: ValkeyServer.Edition) throws {
        let scene = try KeeperScene(["A", "B"], edition: edition)
        try scene.publish(("A", 1), ("B", 2))
        scene.expectPrices(("A", 1), ("B", 2))
        try scene.server.cli("FLUSHALL")
        scene.expectPrices(("A", 1), ("B", 2))
        // A session that is opened meanwhile brings its scripts.
        #expect(
            try eventually {
                try scene.server.cli("SCRIPT", "FLUSH")
                try scene.publish(("A", 3))
                return scene.failures(.scripts) >= 1
            })
        scene.expectPrices(("A", 3))
        try scene.server.cli("SCRIPT", "FLUSH")
        try scene.server.cli("FLUSHALL")
        scene.expectPrices(("A", 3), ("B", 2))
        scene.expectHealthy()
    }

    @Test("frozen: its session is given up, and everything is there when it goes on")
    func frozen() throws {
        let scene = try KeeperScene(["A", "B"])
        try scene.publish(("A", 1))
        scene.expectPrices(("A", 1))
        scene.server.pause()
        try scene.publish(("A", 2))
        scene.expectFailure(.timeout)
        // The reader had its turns all the time.
        try scene.publish(("A", 3), ("B", 4))
        scene.server.resume()
        scene.expectPrices(("A", 3), ("B", 4))
        scene.expectHealthy()
        #expect(scene.metric("tape_reader_renewals_total{reason=\"stalled\"}") == 0)
    }

    @Test("frozen before it is connected: the readers go on between the attempts")
    func frozenAtStart() throws {
        let scene = try KeeperScene(["A"]) { $0.pause() }
        // Each attempt blocks the readers for its full time.
        for price: Int64 in 1...4 {
            let (failures, read) = (scene.failures(.timeout), scene.packetsRead)
            try scene.publish(("A", price))
            #expect(eventually { scene.failures(.timeout) > failures })
            #expect(eventually { scene.packetsRead > read })
        }
        scene.server.resume()
        scene.expectPrices(("A", 4))
        scene.expectHealthy()
    }

    @Test("frozen at the end: the keeper ends all the same, and says so")
    func frozenAtTheEnd() throws {
        let scene = try KeeperScene(["A"])
        try scene.publish(("A", 1))
        scene.expectPrices(("A", 1))
        scene.server.pause()
        defer { scene.server.resume() }
        let before = scene.packetsRead
        for price: Int64 in 2...3 { try scene.publish(("A", price)) }
        // When the second one was counted, the first one is in the queue.
        #expect(eventually { scene.packetsRead >= before + 2 })
        #expect(try scene.running.stop() == .success)
        #expect(scene.failures(.timeout) >= 1)
    }

    @Test("out of memory: told as such, and written as soon as there is room")
    func outOfMemory() throws {
        let scene = try KeeperScene(["A"])
        try scene.server.cli("CONFIG", "SET", "maxmemory", "1")
        try scene.publish(("A", 5))
        scene.expectFailure(.memory)
        scene.expectDegraded("maxmemory")
        #expect(scene.price("A") == "")
        try scene.server.cli("CONFIG", "SET", "maxmemory", "0")
        scene.expectPrices(("A", 5))
        scene.expectHealthy()
    }

    @Test("a key of another type is ours by its name: made anew, counted, the others go on")
    func wrongType() throws {
        let scene = try KeeperScene(["A", "B"])
        try scene.server.cli("SET", "\(scene.tape.names.namespace):trade:A:test", "somebody's")
        try scene.publish(("A", 5), ("B", 6))
        scene.expectPrices(("A", 5), ("B", 6))
        #expect(eventually { scene.metric("hot_state_replaced_total") == 1 })
        #expect(scene.running.degraded.isEmpty)
    }

    @Test("a wrong password is told as such; it never shows")
    func password() throws {
        let scene = try KeeperScene(
            [], valkey: ValkeyConfiguration(host: "127.0.0.1", password: "wrong-secret"))
        scene.expectFailure(.authentication)
        scene.expectDegraded("check user and password")
        #expect(!scene.running.log.contains("wrong-secret"))
        // The permissions are restored while it runs.
        try scene.server.cli("CONFIG", "SET", "requirepass", "wrong-secret")
        scene.expectHealthy()
    }

    @Test("rights that are missing are told; what was heard waits")
    func rights() throws {
        let scene = try KeeperScene(
            ["A"], valkey: ValkeyConfiguration(host: "127.0.0.1", user: "w", password: "pw")
        ) { try $0.cli("ACL", "SETUSER", "w", "on", ">pw", "~*", "+@all", "-hset") }
        try scene.publish(("A", 5))
        scene.expectFailure(.refused)
        scene.expectDegraded("rights")
        try scene.server.cli("ACL", "SETUSER", "w", "+hset")
        scene.expectPrices(("A", 5))
    }

    @Test("a user without the keys of lanes: it is told, and no value waits")
    func rightsOfLanes() throws {
        let scene = try KeeperScene(
            ["A"], valkey: ValkeyConfiguration(host: "127.0.0.1", user: "w", password: "pw")
        ) {
            try $0.cli(
                "ACL", "SETUSER", "w", "on", ">pw", "~*:trade:*", "~*:sources", "~*:hot:*",
                "+@all")
        }
        try scene.publish(("A", 5))
        scene.expectPrices(("A", 5))
        scene.expectFailure(.lanes)
        scene.expectDegraded("~*:lane:*")
        try scene.publish(("A", 6))
        scene.expectPrices(("A", 6))
        #expect(scene.failures(.refused) == 0)
    }
}

@Suite("The hot state while all is well")
struct KeeperTests {
    @Test("two keepers, one of them new: nothing goes backwards, and both have the whole tape")
    func two() throws {
        let scene = try KeeperScene(["A", "B"])
        try scene.publish(("A", 1), ("B", 1))
        scene.expectPrices(("A", 1))
        let first = try scene.startAnother()
        for price: Int64 in 2...50 { try scene.publish(("A", price)) }
        scene.expectPrices(("A", 50))
        // Each has written, or found that the other had.
        for running in [first, scene.running] {
            let seen = ["writes", "stale"].reduce(0) {
                $0 + (running.service.metric("mds_hot_state_\($1)_total") ?? 0)
            }
            #expect(seen > 0)
        }
        // A flush after the older one has ended. The newer one knows what it has read itself.
        #expect(try first.stop() == .success)
        try scene.server.cli("FLUSHALL")
        scene.expectPrices(("A", 50))
        #expect(scene.price("B") == "")
    }

    @Test("what waits when the last packet has come is written")
    func last() throws {
        let server = try ValkeyServer()
        let service = try TestService(KeeperScene.description, [:])
        let settings = HotStateKeeper.Settings(server.configuration, symbolsMax: 65_536)
        let queue = HotQueue(service.context.telemetry.metrics, life: settings.life)
        // More than one round trip.
        for number: Int64 in 1...3_000 {
            var packet = try SamplePacket(source: "test")
            packet.trade(try packet.symbol("S\(number)"), number)
            try packet.offer(to: queue, sequence: UInt64(number))
        }
        queue.close()
        HotStateKeeper.run(settings, queue, namespace: "h", context: service.context)
        for number in [1, 2, 2_999, 3_000] {
            #expect(try server.cli("HGET", "h:trade:S\(number):test", "price") == "\(number)")
        }
        #expect(service.metric("mds_hot_state_pending") == 0)
        // Each packet begins with the ordinal 1, so no run has two.
        #expect(try server.cli("HMGET", "h:lane:0:test", "from", "ordinal") == "1\n1")
    }

    @Test("at the bound old names give way and are counted; what is new is written")
    func bound() throws {
        let scene = try KeeperScene((0..<200).map { "S\($0)" }, symbolsMax: 16)
        for number in 0..<200 { try scene.publish(("S\(number)", Int64(number))) }
        scene.expectPrices(("S199", 199))
        #expect(scene.metric("hot_state_evictions_total") >= 184)
        #expect(scene.metric("hot_state_symbols") == 16)
        #expect(eventually { scene.metric("hot_state_pending") == 0 })
    }

    @Test("the age of news is measured from the tape and from their receipt")
    func age() throws {
        let scene = try KeeperScene([])
        #expect(
            try eventually {
                try scene.publish(("PROBE", 2))
                return ["tape", "receipt"].allSatisfy {
                    scene.metric("hot_state_age_seconds_count{from=\"\($0)\"}") >= 1
                }
            })
    }
}

import MarketModel
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
        let server = try ValkeyServer()
        let bench = try KeeperBench("h1", server)
        server.kill()
        let running = try bench.start()
        var source = try bench.source(["PROBE", "A", "B"])
        try bench.listens(&source, running)
        try bench.publish(&source, [(1, 5), (2, 6), (1, 7)])
        #expect(eventually { bench.failures(running, .connect) >= 1 })
        #expect(running.degraded.contains { $0.hasPrefix("hot state") }, "\(running.degraded)")
        try server.restart()
        #expect(eventually { bench.price("A") == "7" && bench.price("B") == "6" })
        #expect(eventually { running.degraded.isEmpty }, "\(running.degraded)")
        #expect(try running.stop() == .success)
    }

    @Test("killed and restarted empty: all that was told is written again")
    func restarted() throws {
        let server = try ValkeyServer()
        let bench = try KeeperBench("h2", server)
        let running = try bench.start()
        var source = try bench.source(["PROBE", "A", "B", "C"])
        try bench.listens(&source, running)
        try bench.publish(&source, [(1, 1), (2, 2)])
        #expect(eventually { bench.price("A") == "1" && bench.price("B") == "2" })
        server.kill()
        try bench.publish(&source, [(2, 20), (3, 30)])
        #expect(eventually { !running.degraded.isEmpty })
        try server.restart()
        // The first one has had no news since.
        #expect(
            eventually {
                bench.price("A") == "1" && bench.price("B") == "20" && bench.price("C") == "30"
            })
        #expect(eventually { running.degraded.isEmpty }, "\(running.degraded)")
        #expect((running.service.metric("mds_hot_state_rebuilds_total") ?? 0) >= 2)
    }

    @Test("flushed, or without its scripts: all that was told is there again")
    func flushed() throws {
        let server = try ValkeyServer()
        let bench = try KeeperBench("h3", server)
        let running = try bench.start()
        var source = try bench.source(["PROBE", "A", "B"])
        try bench.listens(&source, running)
        try bench.publish(&source, [(1, 1), (2, 2)])
        #expect(eventually { bench.price("A") == "1" && bench.price("B") == "2" })
        try server.cli("FLUSHALL")
        #expect(eventually { bench.price("A") == "1" && bench.price("B") == "2" })
        try server.cli("SCRIPT", "FLUSH")
        try bench.publish(&source, [(1, 3)])
        #expect(eventually { bench.price("A") == "3" })
        #expect(bench.failures(running, .scripts) >= 1)
        try server.cli("SCRIPT", "FLUSH")
        try server.cli("FLUSHALL")
        #expect(eventually { bench.price("A") == "3" && bench.price("B") == "2" })
        #expect(eventually { running.degraded.isEmpty }, "\(running.degraded)")
    }

    @Test("frozen: its session is given up, and everything is there when it goes on")
    func frozen() throws {
        let server = try ValkeyServer()
        let bench = try KeeperBench("h4", server)
        let running = try bench.start()
        var source = try bench.source(["PROBE", "A", "B"])
        try bench.listens(&source, running)
        try bench.publish(&source, [(1, 1)])
        #expect(eventually { bench.price("A") == "1" })
        server.pause()
        try bench.publish(&source, [(1, 2)])
        #expect(eventually { bench.failures(running, .timeout) >= 1 })
        // The reader had its turns all the time.
        try bench.publish(&source, [(1, 3), (2, 4)])
        server.resume()
        #expect(eventually { bench.price("A") == "3" && bench.price("B") == "4" })
        #expect(eventually { running.degraded.isEmpty }, "\(running.degraded)")
        let renewals = "mds_tape_reader_renewals_total{reason=\"stalled\"}"
        #expect((running.service.metric(renewals) ?? 0) == 0)
    }

    @Test("frozen before it is connected: the readers go on between the attempts")
    func frozenAtStart() throws {
        let server = try ValkeyServer()
        let bench = try KeeperBench("h9", server)
        server.pause()
        let running = try bench.start()
        var source = try bench.source(["PROBE", "A"])
        try bench.listens(&source, running)
        // Each attempt blocks the readers for its full time.
        for price: Int64 in 1...4 {
            let failures = bench.failures(running, .timeout)
            let read = running.service.metric("mds_tape_packets_read_total") ?? 0
            try bench.publish(&source, [(1, price)])
            #expect(eventually { bench.failures(running, .timeout) > failures })
            #expect(
                eventually {
                    (running.service.metric("mds_tape_packets_read_total") ?? 0) > read
                })
        }
        server.resume()
        #expect(eventually { bench.price("A") == "4" })
        #expect(eventually { running.degraded.isEmpty }, "\(running.degraded)")
    }

    @Test("frozen at the end: the keeper ends all the same, and says so")
    func frozenAtTheEnd() throws {
        let server = try ValkeyServer()
        let bench = try KeeperBench("h10", server)
        let running = try bench.start()
        var source = try bench.source(["PROBE", "A"])
        try bench.listens(&source, running)
        try bench.publish(&source, [(1, 1)])
        #expect(eventually { bench.price("A") == "1" })
        server.pause()
        defer { server.resume() }
        let read = "mds_tape_packets_read_total"
        let before = try #require(running.service.metric(read))
        for price: Int64 in 2...3 { try bench.publish(&source, [(1, price)]) }
        // When the second one was counted, the first one is in the queue.
        #expect(eventually { (running.service.metric(read) ?? 0) >= before + 2 })
        #expect(try running.stop() == .success)
        #expect(bench.failures(running, .timeout) >= 1)
    }

    @Test("out of memory: told as such, and written as soon as there is room")
    func outOfMemory() throws {
        let server = try ValkeyServer()
        let bench = try KeeperBench("h5", server)
        let running = try bench.start()
        var source = try bench.source(["PROBE", "A"])
        try bench.listens(&source, running)
        try server.cli("CONFIG", "SET", "maxmemory", "1")
        try bench.publish(&source, [(1, 5)])
        #expect(eventually { bench.failures(running, .memory) >= 1 })
        #expect(running.degraded.contains { $0.contains("maxmemory") }, "\(running.degraded)")
        #expect(bench.price("A") == "")
        try server.cli("CONFIG", "SET", "maxmemory", "0")
        #expect(eventually { bench.price("A") == "5" })
        #expect(eventually { running.degraded.isEmpty }, "\(running.degraded)")
    }

    @Test("a key of another type is ours by its name: made anew, counted, the others go on")
    func wrongType() throws {
        let server = try ValkeyServer()
        let bench = try KeeperBench("h6", server)
        let running = try bench.start()
        var source = try bench.source(["PROBE", "A", "B"])
        try bench.listens(&source, running)
        try server.cli("SET", "h6:trade:A:test", "somebody's")
        try bench.publish(&source, [(1, 5), (2, 6)])
        #expect(eventually { bench.price("A") == "5" && bench.price("B") == "6" })
        #expect(
            eventually { (running.service.metric("mds_hot_state_replaced_total") ?? 0) == 1 })
        #expect(running.degraded.isEmpty)
    }

    @Test("a wrong password is told as such; it never shows")
    func password() throws {
        let server = try ValkeyServer()
        let bench = try KeeperBench("h7", server)
        var valkey = bench.valkey
        valkey.password = "wrong-secret"
        let running = try bench.start(valkey)
        #expect(eventually { bench.failures(running, .authentication) >= 1 })
        #expect(running.degraded.contains { $0.contains("check user and password") })
        #expect(!running.log.contains("wrong-secret"))
        // The permissions are restored while it runs.
        try server.cli("CONFIG", "SET", "requirepass", "wrong-secret")
        #expect(eventually { running.degraded.isEmpty }, "\(running.degraded)")
    }

    @Test("rights that are missing are told; what was heard waits")
    func rights() throws {
        let server = try ValkeyServer()
        try server.cli("ACL", "SETUSER", "w", "on", ">pw", "~*", "+@all", "-hset")
        let bench = try KeeperBench("h8", server)
        let running = try bench.start(
            ValkeyConfiguration(host: "127.0.0.1", port: server.port, user: "w", password: "pw"))
        var source = try bench.source(["PROBE", "A"])
        try bench.listens(&source, running)
        try bench.publish(&source, [(1, 5)])
        #expect(eventually { bench.failures(running, .refused) >= 1 })
        #expect(running.degraded.contains { $0.contains("rights") }, "\(running.degraded)")
        try server.cli("ACL", "SETUSER", "w", "+hset")
        #expect(eventually { bench.price("A") == "5" })
    }
}

@Suite("The hot state while all is well")
struct KeeperTests {
    @Test("two keepers, one of them new: nothing goes backwards, and both have the whole tape")
    func two() throws {
        let server = try ValkeyServer()
        let bench = try KeeperBench("h20", server)
        let first = try bench.start()
        var source = try bench.source(["PROBE", "A", "B"])
        try bench.listens(&source, first)
        try bench.publish(&source, [(1, 1), (2, 1)])
        #expect(eventually { bench.price("A") == "1" })
        let second = try bench.start()
        try bench.listens(&source, second)
        for price: Int64 in 2...50 { try bench.publish(&source, [(1, price)]) }
        #expect(eventually { bench.price("A") == "50" })
        // Each has written, or found that the other had.
        for running in [first, second] {
            let seen = ["writes", "stale"].reduce(0) {
                $0 + (running.service.metric("mds_hot_state_\($1)_total") ?? 0)
            }
            #expect(seen > 0)
        }
        // A flush after the older one has ended. The newer one knows what it has read itself.
        #expect(try first.stop() == .success)
        try server.cli("FLUSHALL")
        #expect(eventually { bench.price("A") == "50" })
        #expect(bench.price("B") == "")
    }

    @Test("what waits when the last packet has come is written")
    func last() throws {
        let server = try ValkeyServer()
        let bench = try KeeperBench("h23", server)
        let service = try TestService(KeeperBench.description, bench.tape.environment)
        let settings = HotStateKeeper.Settings(bench.valkey, symbolsMax: 65_536)
        let queue = HotQueue(service.context.telemetry.metrics, life: settings.life)
        // More than one round trip.
        for number: Int64 in 1...3_000 {
            var packet = try SamplePacket(source: "test")
            packet.trade(try packet.symbol("S\(number)"), number)
            try packet.offer(to: queue, sequence: UInt64(number))
        }
        queue.close()
        HotStateKeeper.run(
            settings, queue, namespace: bench.tape.names.namespace, context: service.context)
        for number in [1, 2, 2_999, 3_000] {
            #expect(bench.price("S\(number)") == String(number))
        }
        #expect(service.metric("mds_hot_state_pending") == 0)
    }

    @Test("at the bound old names give way and are counted; what is new is written")
    func bound() throws {
        let server = try ValkeyServer()
        let bench = try KeeperBench("h21", server)
        let running = try bench.start(symbolsMax: 16)
        var source = try bench.source((0..<200).map { "S\($0)" })
        try bench.listens(&source, running)
        for symbol in 0..<UInt32(200) { try bench.publish(&source, [(symbol, Int64(symbol))]) }
        #expect(eventually { bench.price("S199") == "199" })
        #expect((running.service.metric("mds_hot_state_evictions_total") ?? 0) >= 184)
        #expect(running.service.metric("mds_hot_state_symbols") == 16)
        #expect(eventually { running.service.metric("mds_hot_state_pending") == 0 })
    }

    @Test("the age of news is measured from the tape and from their receipt")
    func age() throws {
        let server = try ValkeyServer()
        let bench = try KeeperBench("h22", server)
        let running = try bench.start()
        var source = try bench.source(["PROBE"])
        try bench.listens(&source, running)
        let count = "mds_hot_state_age_seconds_count"
        #expect(
            try eventually {
                try bench.publish(&source, [(0, 2)])
                return (running.service.metric("\(count){from=\"tape\"}") ?? 0) >= 1
                    && (running.service.metric("\(count){from=\"receipt\"}") ?? 0) >= 1
            })
    }
}

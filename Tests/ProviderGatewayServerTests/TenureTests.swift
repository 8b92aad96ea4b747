import MarketModel
import Membership
import MembershipTransport
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import ProviderGateway

@Suite("The gateway's tenures")
struct TenureTests {
    private func tape(_ namespace: String) throws -> TestTape {
        try TestTape(NatsServer.shared(), namespace: namespace)
    }

    private func source() throws -> SourceName { try #require(SourceName("synthetic")) }

    private func full(_ ticks: Int) -> [String: String] {
        [
            "SYNTHETIC_PACE": "full", "SYNTHETIC_TICKS": String(ticks), "SYNTHETIC_RATE": "1000",
            "GATEWAY_PACKETS_PER_SECOND": "100000",
        ]
    }

    private func count(_ tape: TestTape) throws -> UInt64 {
        try tape.tickCount(source: source())
    }

    private func role(_ gateway: TestGateway) throws -> String? {
        try gateway.status["role"]?.string
    }

    @Test("without a claim it stands by: ready, and nothing of it is on the tape")
    func standby() throws {
        let tape = try tape("ten1")
        let gateway = try TestGateway(tape, full(100))
        let running = try gateway.standBy()
        #expect(eventually { running.log.count(of: "gateway.standby") == 1 })
        #expect(running.isReady, "\(running.reasons)")
        #expect(try role(gateway) == "standby")
        #expect(try running.stop() == .success)
        #expect(try count(tape) == 0)
        #expect(gateway.group.news.isEmpty)
    }

    @Test("a claim opens every subject above the record's epoch, and says so")
    func takes() throws {
        let tape = try tape("ten2")
        let gateway = try TestGateway(tape, full(500))
        let running = try gateway.standBy()
        gateway.group.take(epoch: 17)
        #expect(try eventually { try count(tape) == 500 })
        #expect(try role(gateway) == "active")
        #expect(
            gateway.group.news == [.opened(SourceMembership.partition, tenure: 1, epoch: 17)])
        for number in 0..<tape.names.partitions {
            #expect(try tape.tickPackets(Partition(number)).allSatisfy { $0.header.epoch == 17 })
        }
        #expect(try running.stop() == .success)
        #expect(
            gateway.group.news.last == .released(SourceMembership.partition, tenure: 1))
    }

    @Test("a tape above the record has the last word on the epoch")
    func aboveTheTape() throws {
        let tape = try tape("ten3")
        for (epoch, opened): (UInt64, UInt64) in [(5, 5), (1, 6), (6, 7), (40, 40)] {
            let gateway = try TestGateway(tape, full(500))
            let running = try gateway.standBy()
            gateway.group.take(epoch: epoch)
            #expect(
                eventually {
                    gateway.group.news.first
                        == .opened(SourceMembership.partition, tenure: 1, epoch: opened)
                })
            #expect(try running.stop() == .success)
        }
    }

    @Test("handed over in order again and again: every tick once, none is left to the next one")
    func handOver() throws {
        let tape = try tape("ten4")
        let environment = [
            "SYNTHETIC_RATE": "5000", "SYNTHETIC_TICKS": "15000", "SYNTHETIC_BACKLOG": "1s",
        ]
        let gateways = try (0..<2).map { _ in try TestGateway(tape, environment) }
        let running = try gateways.map { try $0.standBy() }
        var random = SeededRandom(seed: 4)
        for turn in 0..<6 {
            let gateway = gateways[turn % 2]
            gateway.group.take(epoch: UInt64(turn + 1))
            let wanted = min(15_000, try count(tape) + random.next() % 2_000 + 1)
            #expect(try eventually { try count(tape) >= wanted })
            gateway.group.release()
            let tenure = gateway.group.tenure
            #expect(
                eventually {
                    gateway.group.news.last
                        == .released(SourceMembership.partition, tenure: tenure)
                })
            #expect(try role(gateway) == "standby")
        }
        gateways[0].group.take(epoch: 7)
        #expect(try eventually { try count(tape) == 15_000 })
        for each in running { #expect(try each.stop() == .success) }
        let found = try SourceOnTape(tape)
        #expect(found.problems.isEmpty, "\(found.problems.prefix(5))")
        #expect(found.all == Array(0..<15_000))
        #expect(
            running[0].service.metric("mds_gateway_unpublished_ticks_total") == 0
                && running[1].service.metric("mds_gateway_unpublished_ticks_total") == 0)
    }

    @Test(
        "fenced by a gateway that opened a higher epoch, it says so and stands by in the process",
        arguments: ["1000", "0"])
    func fenced(rate: String) throws {
        // A market that has ended publishes only watermarks, and these are fenced, too.
        let isIdle = rate == "0"
        let tape = try tape(isIdle ? "ten5" : "ten6")
        let environment = isIdle ? full(300) : ["SYNTHETIC_RATE": rate]
        let old = try TestGateway(tape, environment)
        let first = try old.start()
        #expect(try eventually { try count(tape) >= 300 })
        let second = try TestGateway(tape, environment).start()
        #expect(eventually { first.log.count(of: "gateway.taken_over") == 1 })
        #expect(eventually { first.log.count(of: "gateway.standby") == 2 })
        #expect(first.isReady && !first.hasEnded && !second.hasEnded)
        #expect(try role(old) == "standby")
        guard case .lost(_, tenure: 1, _)? = old.group.news.last else {
            Issue.record("\(old.group.news)")
            return
        }
        if !isIdle {
            // The new ticks come after all that the first gateway sent, on all partitions.
            let standing = try count(tape)
            #expect(try eventually { try count(tape) > standing + 2_000 })
        }
        // Then the first one gets the source back, in the same process.
        old.group.take(epoch: 1)
        #expect(eventually { second.log.count(of: "gateway.taken_over") == 1 })
        #expect(eventually { first.log.count(of: "gateway.started") == 2 })
        #expect(try second.stop() == .success)
        #expect(try first.stop() == .success)
        let found = try SourceOnTape(tape)
        #expect(found.problems.isEmpty, "\(found.problems.prefix(5))")
        #expect(found.all == Array(0..<UInt64(found.count)))
    }

    @Test("dropped by its group it stops at once, and says nothing")
    func dropped() throws {
        let tape = try tape("ten7")
        let gateway = try TestGateway(tape, ["SYNTHETIC_RATE": "1000"])
        let running = try gateway.start()
        #expect(try eventually { try count(tape) >= 100 })
        gateway.group.drop()
        #expect(eventually { running.log.count(of: "gateway.dropped") == 1 })
        #expect(eventually { running.log.count(of: "gateway.standby") == 2 })
        #expect(gateway.group.news.count == 1)
        #expect(running.service.metric("mds_gateway_dropped_total") == 1)
        // A claim that comes while one is held replaces it.
        gateway.group.take(epoch: 9)
        #expect(eventually { running.log.count(of: "gateway.started") == 2 })
        gateway.group.take(epoch: 12)
        #expect(eventually { running.log.count(of: "gateway.started") == 3 })
        #expect(try running.stop() == .success)
        let found = try SourceOnTape(tape)
        #expect(found.problems.isEmpty, "\(found.problems.prefix(5))")
        #expect(found.all == Array(0..<UInt64(found.count)))
    }

    @Test("an owner that its group does not hear publishes nothing, and goes on when it is heard")
    func unsteady() throws {
        let tape = try tape("ten8")
        let gateway = try TestGateway(tape, ["SYNTHETIC_RATE": "2000"])
        let running = try gateway.start()
        #expect(try eventually { try count(tape) >= 100 })
        gateway.group.pause()
        #expect(eventually { running.log.count(of: "gateway.paused") == 1 })
        // The packets that were in flight get onto the tape; then the lanes fill up and nothing is
        // sent.
        let blocked = "mds_gateway_blocked_total{source=\"synthetic\"}"
        let sent = "mds_tape_packets_published_total"
        var last: Double?
        #expect(
            eventually {
                let before = last
                last = running.service.metric(sent)
                return (running.service.metric(blocked) ?? 0) > 0 && before == last
            })
        let standing = try count(tape)
        gateway.group.goOn()
        #expect(try eventually { try count(tape) > standing + 4_000 })
        #expect(eventually { running.log.count(of: "gateway.paused") == 2 })
        #expect(try running.stop() == .success)
        let found = try SourceOnTape(tape)
        #expect(found.problems.isEmpty, "\(found.problems.prefix(5))")
        #expect(found.all == Array(0..<UInt64(found.count)))
        #expect(found.epochs.values.allSatisfy { $0 == [1] })
    }

    @Test("taken back while it opens, it gives the source back")
    func releasedEarly() throws {
        let tape = try tape("ten9")
        let gateway = try TestGateway(tape, full(100))
        gateway.group.pause()
        let running = try gateway.start()
        #expect(try eventually { try role(gateway) == "opening" })
        gateway.group.release()
        #expect(
            eventually {
                gateway.group.news == [.released(SourceMembership.partition, tenure: 1)]
            })
        // A tenure that it never had is given back, too.
        _ = gateway.group.membership.port.send(.release(SourceMembership.partition, tenure: 77))
        #expect(
            eventually {
                gateway.group.news.last == .released(SourceMembership.partition, tenure: 77)
            })
        #expect(try running.stop() == .success)
        #expect(try count(tape) == 0)
    }

    @Test("a group that does not answer does not keep it from ending in order")
    func deafGroup() throws {
        let tape = try tape("ten10")
        let gateway = try TestGateway(tape, full(400))
        var membership = gateway.group.membership
        membership.leave = {}
        membership.hasLeft = { false }
        gateway.group.take()
        let (settings, report, client) = (
            gateway.settings, gateway.report, try tape.connect(gateway.service)
        )
        let deaf = membership
        let running = try gateway.service.start { context in
            defer { client.close() }
            return try Gateway.run(
                settings, client: client, context: context, report: report, membership: deaf)
        }
        #expect(try eventually { try count(tape) == 400 })
        #expect(try running.stop() == .success)
        #expect(running.log.count(of: "gateway.drained") == 1)
    }
}

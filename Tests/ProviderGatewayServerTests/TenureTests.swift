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
    private func role(_ gateway: TestGateway) throws -> String? {
        try gateway.status["role"]?.string
    }

    @Test("without a claim it stands by: ready, and nothing of it is on the tape")
    func standby() throws {
        let tape = try TestTape.shared("ten1")
        let gateway = try TestGateway(tape, .fullPace(100))
        let running = try gateway.standBy()
        running.expect("gateway.standby")
        #expect(running.isReady, "\(running.reasons)")
        #expect(try role(gateway) == "standby")
        #expect(try running.stop() == .success)
        #expect(try tape.ticks() == 0)
        #expect(gateway.group.news.isEmpty)
    }

    @Test("a claim opens every subject above the record's epoch, and says so")
    func takes() throws {
        let tape = try TestTape.shared("ten2")
        let gateway = try TestGateway(tape, .fullPace(500))
        let running = try gateway.standBy()
        gateway.group.take(epoch: 17)
        try tape.expectTicks(500)
        #expect(try role(gateway) == "active")
        #expect(gateway.group.news == [.opened(SourceMembership.partition, tenure: 1, epoch: 17)])
        for number in 0..<tape.names.partitions {
            #expect(try tape.tickPackets(Partition(number)).allSatisfy { $0.header.epoch == 17 })
        }
        #expect(try running.stop() == .success)
        #expect(gateway.group.news.last == .released(1))
    }

    @Test("a tape above the record has the last word on the epoch")
    func aboveTheTape() throws {
        let tape = try TestTape.shared("ten3")
        for (epoch, opened): (UInt64, UInt64) in [(5, 5), (1, 6), (6, 7), (40, 40)] {
            let gateway = try TestGateway(tape, .fullPace(500))
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
        let tape = try TestTape.shared("ten4")
        let environment = [
            "SYNTHETIC_RATE": "5000", "SYNTHETIC_TICKS": "15000", "SYNTHETIC_BACKLOG": "1s",
        ]
        let gateways = try (0..<2).map { _ in try TestGateway(tape, environment) }
        let running = try gateways.map { try $0.standBy() }
        var random = SeededRandom(seed: 4)
        for turn in 0..<6 {
            let gateway = gateways[turn % 2]
            gateway.group.take(epoch: UInt64(turn + 1))
            let wanted = min(15_000, try tape.ticks() + random.next() % 2_000 + 1)
            #expect(try eventually { try tape.ticks() >= wanted })
            gateway.group.release()
            let tenure = gateway.group.tenure
            #expect(eventually { gateway.group.news.last == .released(tenure) })
            #expect(try role(gateway) == "standby")
        }
        gateways[0].group.take(epoch: 7)
        try tape.expectTicks(15_000)
        for each in running { #expect(try each.stop() == .success) }
        try tape.expectAll(15_000)
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
        let tape = try TestTape.shared(isIdle ? "ten5" : "ten6")
        let environment = isIdle ? [String: String].fullPace(300) : ["SYNTHETIC_RATE": rate]
        let old = try TestGateway(tape, environment)
        let first = try old.start()
        #expect(try eventually { try tape.ticks() >= 300 })
        let second = try TestGateway(tape, environment).start()
        first.expect("gateway.taken_over")
        first.expect("gateway.standby", 2)
        #expect(first.isReady && !first.hasEnded && !second.hasEnded)
        #expect(try role(old) == "standby")
        guard case .lost(_, tenure: 1, _)? = old.group.news.last else {
            Issue.record("\(old.group.news)")
            return
        }
        if !isIdle {
            // The new ticks come after all that the first gateway sent, on all partitions.
            try tape.expectMore(2_000)
        }
        // Then the first one gets the source back, in the same process.
        old.group.take(epoch: 1)
        second.expect("gateway.taken_over")
        first.expect("gateway.started", 2)
        #expect(try second.stop() == .success)
        #expect(try first.stop() == .success)
        try tape.expectAll()
    }

    @Test("dropped by its group it stops at once, and says nothing")
    func dropped() throws {
        let tape = try TestTape.shared("ten7")
        let gateway = try TestGateway(tape, ["SYNTHETIC_RATE": "1000"])
        let running = try gateway.start()
        #expect(try eventually { try tape.ticks() >= 100 })
        gateway.group.drop()
        running.expect("gateway.dropped")
        running.expect("gateway.standby", 2)
        #expect(gateway.group.news.count == 1)
        #expect(running.service.metric("mds_gateway_dropped_total") == 1)
        // A claim that comes while one is held replaces it.
        gateway.group.take(epoch: 9)
        running.expect("gateway.started", 2)
        gateway.group.take(epoch: 12)
        running.expect("gateway.started", 3)
        #expect(try running.stop() == .success)
        try tape.expectAll()
    }

    @Test("an owner that its group does not hear publishes nothing, and goes on when it is heard")
    func unsteady() throws {
        let tape = try TestTape.shared("ten8")
        let gateway = try TestGateway(tape, ["SYNTHETIC_RATE": "2000"])
        let running = try gateway.start()
        #expect(try eventually { try tape.ticks() >= 100 })
        gateway.group.pause()
        running.expect("gateway.paused")
        // The packets that were in flight get onto the tape; then the lanes fill up and nothing is
        // sent.
        let sent = "mds_tape_packets_published_total"
        var last: Double?
        #expect(
            eventually {
                let before = last
                last = running.service.metric(sent)
                return running.synthetic("mds_gateway_blocked_total") > 0 && before == last
            })
        gateway.group.resume()
        try tape.expectMore(4_000)
        running.expect("gateway.paused", 2)
        #expect(try running.stop() == .success)
        let found = try tape.expectAll()
        #expect(found.epochs.values.allSatisfy { $0 == [1] })
    }

    @Test("taken back while it opens, it gives the source back")
    func releasedEarly() throws {
        let tape = try TestTape.shared("ten9")
        let gateway = try TestGateway(tape, .fullPace(100))
        gateway.group.pause()
        let running = try gateway.start()
        #expect(try eventually { try role(gateway) == "opening" })
        gateway.group.release()
        #expect(eventually { gateway.group.news == [.released(1)] })
        // A tenure that it never had is given back, too.
        _ = gateway.group.membership.port.send(.release(SourceMembership.partition, tenure: 77))
        #expect(eventually { gateway.group.news.last == .released(77) })
        #expect(try running.stop() == .success)
        #expect(try tape.ticks() == 0)
    }

    @Test("a group that does not answer does not keep it from ending in order")
    func deafGroup() throws {
        let tape = try TestTape.shared("ten10")
        let gateway = try TestGateway(tape, .fullPace(400))
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
        try tape.expectTicks(400)
        #expect(try running.stop() == .success)
        #expect(running.log.count(of: "gateway.drained") == 1)
    }
}

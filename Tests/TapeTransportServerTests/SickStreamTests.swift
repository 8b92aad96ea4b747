import MarketModel
import NatsTransport
import Primitives
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

/// One stream of several has no leader.
@Suite struct SickStreamTests {
    /// Makes the stream of partitions 1 and 5 not answer, or answer that there are no responders.
    private static func sicken(_ proxy: NatsProxy, _ refusal: NatsProxy.Refusal?) {
        proxy.sicken(
            [
                "md.ticks.1.", "md.ticks.5.", "$JS.API.STREAM.MSG.GET.MD_TICKS_1",
                "$JS.API.STREAM.INFO.MD_TICKS_1",
            ], refusal)
    }

    @Test("a stream that answers 503, then nothing: the others publish on and read nothing")
    func oneOfFour() throws {
        let tape = try TapeServer(partitions: 8)
        let proxy = try NatsProxy(to: tape.server.port)
        let rig = try tape.openRig(lanes: 8, through: proxy)
        #expect(rig.run { rig.publisher.hasOpened && rig.publisher.isIdle })
        var packets = [Int](repeating: 0, count: 8)
        rig.onAcknowledge = { packets[$0.lane] += 1 }
        let sick = [1, 5]
        let healthy = [0, 2, 3, 4, 6, 7]

        func work(until condition: () -> Bool) -> Bool {
            rig.run {
                for lane in 0..<8 where rig.publisher.waitingTicks(lane: lane) < 100 {
                    rig.offer(lane)
                }
                return condition()
            }
        }
        func unsettled(_ lanes: [Int]) -> Int {
            lanes.reduce(0) { sum, lane in
                let subject = tape.names.ticks(Partition(lane), rig.source)
                return sum
                    + rig.log.lines(with: "tape.publish.unsettled").count {
                        $0.contains("\"\(subject)\"")
                    }
            }
        }
        #expect(work { packets.allSatisfy { $0 > 20 } })
        for refusal in [NatsProxy.Refusal.noResponders, nil] {
            Self.sicken(proxy, refusal)
            let before = packets
            let reads = proxy.sent(to: "$JS.API.STREAM.MSG.GET.MD_TICKS_1")
            // Until the sick stream was asked several times, however long that takes, and some time
            // longer.
            #expect(
                work {
                    healthy.allSatisfy { packets[$0] > before[$0] + 300 }
                        && proxy.sent(to: "$JS.API.STREAM.MSG.GET.MD_TICKS_1") >= reads + 4
                })
            #expect(sick.allSatisfy { packets[$0] <= before[$0] + 1 }, "\(packets), \(before)")
        }
        // A machine that pauses for a moment causes a few doubts itself.
        let reads = [0, 2, 3].reduce(0) {
            $0 + proxy.sent(to: "$JS.API.STREAM.MSG.GET.MD_TICKS_\($1)")
        }
        #expect(unsettled(healthy) < 10 && reads < 10, "\(unsettled(healthy)), \(reads)")
        #expect(unsettled(sick) > 0 && rig.publisher.trouble != nil)
        proxy.calm()
        let before = packets
        #expect(work { packets.indices.allSatisfy { packets[$0] > before[$0] + 5 } })
        #expect(rig.run { rig.publisher.isIdle })
        for lane in 0..<8 { rig.expectTakenOnce(lane) }
        #expect(rig.publisher.trouble == nil && rig.log.count("tape.rolled_back") == 0)
    }
}

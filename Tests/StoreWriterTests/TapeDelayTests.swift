import Primitives
import Testing

@testable import StoreWriter

@Suite("How far the clocks of senders and of the tape are apart")
struct TapeDelayTests {
    private let sent = Timestamp(nanoseconds: 1_700_000_000_000_000_000)

    private func after(_ nanoseconds: Int64) -> Timestamp {
        Timestamp(nanoseconds: sent.nanoseconds + nanoseconds)
    }

    @Test("of the packets of a minute the one farthest from zero counts, with its sign")
    func farthest() {
        var delay = TapeDelay()
        func farthest(_ time: Int64) -> Int64? { delay.farthest(now: .at(time)) }
        #expect(farthest(1) == nil)
        delay.note(taken: after(3), sent: sent)
        delay.note(taken: after(-5), sent: sent)
        delay.note(taken: after(4), sent: sent)
        delay.note(taken: after(9), sent: .undefined)
        #expect(farthest(2) == -5)
    }

    @Test("a packet counts for a minute and at most two, also when nothing comes after it")
    func forgotten() {
        var delay = TapeDelay()
        func farthest(_ time: Int64) -> Int64? { delay.farthest(now: .at(time)) }
        let minute = TapeDelay.windowNanoseconds
        #expect(farthest(0) == nil)
        delay.note(taken: after(5_000_000_000), sent: sent)
        #expect(farthest(minute) == 5_000_000_000)
        delay.note(taken: after(2), sent: sent)
        #expect(farthest(2 * minute - 1) == 5_000_000_000)
        #expect(farthest(2 * minute) == 2)
        #expect(farthest(3 * minute) == nil)
    }
}

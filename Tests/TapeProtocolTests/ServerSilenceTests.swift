import Primitives
import TapeProtocol
import Testing

@Suite("the silence of a server") struct ServerSilenceTests {
    private static let grace = ServerSilence.graceNanoseconds

    /// A check after the deadline, and whether it counts as silence.
    private typealias Look = (now: Int64, arrived: UInt64, handled: UInt64, counts: Bool)

    @Test("a passed deadline counts behind what had arrived, and after the grace")
    func counts() {
        let looks: [Look] = [
            (10, 7, 3, false),  // the notice
            (10 + Self.grace, 9, 6, false),  // one that had arrived is not handled
            (9 + Self.grace, 9, 7, false),  // a moment too early
            (10 + Self.grace, 9, 7, true),
            (11 + Self.grace, 9, 9, false),  // it counted once: a notice again
            (11 + 2 * Self.grace, 9, 9, true),
        ]
        var silence = ServerSilence()
        for look in looks {
            let counts = silence.counts(
                deadline: .at(10), now: .at(look.now), arrived: look.arrived, handled: look.handled)
            #expect(counts == look.counts, "\(look)")
        }
    }

    @Test("a queue that never gets empty delays it by what stood in it only")
    func endlessBacklog() {
        var silence = ServerSilence()
        let turns = (0..<100).prefix { turn in
            let handled = UInt64(turn) * 256
            return !silence.counts(
                deadline: .at(0), now: .at(Int64(turn) * Self.grace / 4), arrived: handled + 1_000,
                handled: handled)
        }
        #expect(turns.count == 4)
    }

    /// A thread that is busy twice in a row checks the second deadline only when that has passed,
    /// too.
    @Test("the notice of one deadline says nothing of the next one")
    func anotherDeadline() {
        var silence = ServerSilence()
        let seen = [
            silence.counts(deadline: .at(1), now: .at(2), arrived: 3, handled: 2),
            silence.counts(
                deadline: .at(Self.grace), now: .at(2 * Self.grace), arrived: 9, handled: 3),
            silence.counts(
                deadline: .at(Self.grace), now: .at(3 * Self.grace), arrived: 9, handled: 8),
            silence.counts(
                deadline: .at(Self.grace), now: .at(3 * Self.grace), arrived: 9, handled: 9),
        ]
        #expect(seen == [false, false, false, true])
    }

    @Test("a deadline before the one that was noticed is another one, too")
    func earlierDeadline() {
        var silence = ServerSilence()
        let seen = [
            silence.counts(deadline: .at(5), now: .at(6), arrived: 0, handled: 0),
            silence.counts(deadline: .at(4), now: .at(6 + Self.grace), arrived: 0, handled: 0),
            silence.counts(deadline: .at(4), now: .at(6 + 2 * Self.grace), arrived: 0, handled: 0),
        ]
        #expect(seen == [false, false, true])
    }
}

import TapeProtocol
import Testing

@Suite("the silence of a server") struct ServerSilenceTests {
    private static let grace = ServerSilence.graceNanoseconds

    /// A look behind the deadline, and whether it counts then.
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
                now: look.now, arrived: look.arrived, handled: look.handled)
            #expect(counts == look.counts, "\(look)")
        }
    }

    @Test("a queue that never gets empty delays it by what stood in it only")
    func endlessBacklog() {
        var silence = ServerSilence()
        let turns = (0..<100).prefix { turn in
            let handled = UInt64(turn) * 256
            return !silence.counts(
                now: Int64(turn) * Self.grace / 4, arrived: handled + 1_000, handled: handled)
        }
        #expect(turns.count == 4)
    }

    @Test("an answer ends it: the next deadline is noticed anew")
    func ends() {
        var silence = ServerSilence()
        let notice = silence.counts(now: 0, arrived: 0, handled: 0)
        silence.end()
        let next = silence.counts(now: Self.grace, arrived: 0, handled: 0)
        let after = silence.counts(now: 2 * Self.grace, arrived: 0, handled: 0)
        #expect([notice, next, after] == [false, false, true])
    }
}

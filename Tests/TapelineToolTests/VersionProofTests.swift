import Primitives
import Testing

@testable import TapelineTool

@Suite("What a reading of the bars of before proves")
struct VersionProofTests {
    private func time(_ seconds: Int) -> Timestamp {
        Timestamp(nanoseconds: Int64(seconds) * 1_000_000_000)
    }

    private struct Case {
        let packets: [(ordinals: Range<UInt64>, second: Int)]
        var incomplete: UInt64 = 0
        let keptAfter: UInt64?
        let since: Int?
    }

    @Test("it begins with the tape, after a hole, or with the bars that lack a version")
    func table() {
        let cases = [
            Case(packets: [], keptAfter: nil, since: nil),
            // All of it, also where a packet goes on after the last one of before.
            Case(packets: [(1..<6, 10), (6..<10, 11)], keptAfter: 0, since: 10),
            Case(packets: [(1..<6, 10), (6..<30, 11)], keptAfter: 0, since: 10),
            // The tape ends too early, and begins too late.
            Case(packets: [(1..<6, 10), (6..<9, 11)], keptAfter: nil, since: 10),
            Case(packets: [(10..<12, 10)], keptAfter: nil, since: 10),
            // Its beginning was purged. A packet without records says as much as one with some.
            Case(packets: [(4..<6, 10), (6..<10, 11)], keptAfter: 3, since: 10),
            Case(packets: [(4..<4, 9), (4..<6, 10), (6..<10, 11)], keptAfter: 3, since: 9),
            // A hole.
            Case(packets: [(1..<3, 10), (5..<10, 12)], keptAfter: 4, since: 12),
            // A clock that went back.
            Case(packets: [(1..<3, 10), (5..<10, 7)], keptAfter: 4, since: 10),
            Case(packets: [(1..<10, 10)], incomplete: 7, keptAfter: 7, since: 10),
            Case(packets: [(1..<3, 10), (5..<10, 12)], incomplete: 2, keptAfter: 4, since: 12),
        ]
        for (number, one) in cases.enumerated() {
            var proof = VersionProof(last: 9)
            for packet in one.packets { proof.take(packet.ordinals, at: time(packet.second)) }
            proof.noteIncomplete(from: one.incomplete)
            proof.noteIncomplete(from: 0)
            #expect(proof.keptAfter == one.keptAfter, "case \(number)")
            #expect(proof.since == one.since.map(time) ?? .undefined, "case \(number)")
        }
    }

    @Test("any tape: the time never falls, and what is proved is the part without a hole")
    func seeds() {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededRandom(seed: seed)
        for _ in 0..<500 {
            let last = UInt64.random(in: 1...40, using: &random)
            var packets: [(Range<UInt64>, Int)] = []
            var next = UInt64.random(in: 1...6, using: &random)
            var proof = VersionProof(last: last)
            while next <= last {
                if UInt8.random(in: 0..<6, using: &random) == 0 { next += 2 }
                let end = next + UInt64.random(in: 0...5, using: &random)
                packets.append((next..<end, Int.random(in: 0..<60, using: &random)))
                next = end
                if let packet = packets.last { proof.take(packet.0, at: time(packet.1)) }
                let highest = packets.map(\.1).max() ?? 0
                #expect(proof.tapeTime == time(highest), "seed \(seed)")
            }
            // The oracle looks for the longest end of the list whose packets follow each other.
            let begin = packets.indices.first { start in
                packets[start...].dropFirst().enumerated().allSatisfy {
                    $1.0.lowerBound == packets[start + $0].0.upperBound
                }
            }
            guard let begin else { continue }
            let first = packets[begin].0.lowerBound
            #expect(proof.keptAfter == (first <= last ? first - 1 : nil), "seed \(seed)")
            #expect(
                proof.since == time(packets[...begin].map(\.1).max() ?? 0), "seed \(seed)")
        }
    }
}

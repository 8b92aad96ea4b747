import Primitives
import Testing

@Suite struct SeededRandomTests {
    /// The first numbers of the reference implementation (Vigna, splitmix64.c).
    @Test("the sequence is that of SplitMix64")
    func known() {
        var random = SeededRandom(seed: 1_234_567)
        let first = (0..<5).map { _ in random.next() }
        #expect(
            first == [
                6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
                4_593_380_528_125_082_431, 16_408_922_859_458_223_821,
            ])
    }

    @Test("one seed gives one sequence, another seed another")
    func seeds() {
        func sequence(_ seed: UInt64) -> [UInt64] {
            var random = SeededRandom(seed: seed)
            return (0..<8).map { _ in random.next() }
        }
        #expect(sequence(7) == sequence(7))
        #expect(sequence(7) != sequence(8))
        #expect(Set(sequence(0)).count == 8)
    }

    @Test("mixing spreads neighbouring integers over all bits")
    func mixed() {
        let bits = (0..<64).map { (SeededRandom.mixed($0) ^ SeededRandom.mixed($0 + 1)) }
        for value in bits {
            #expect((10...54).contains(value.nonzeroBitCount))
        }
    }
}

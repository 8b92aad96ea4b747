import Primitives
import Testing

@Suite struct Murmur3Tests {
    @Test(
        "known hashes, as Python's mmh3 gives them",
        arguments: [
            ("", 0), ("AAPL", 3_750_833_799),
        ] as [(String, UInt32)])
    func known(text: String, hash: UInt32) {
        #expect(Murmur3.hash32(text) == hash)
    }
}

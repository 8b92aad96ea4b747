import Testing

@testable import TapeTransport

/// How long a reader waits for its consumer.
@Suite struct AnswerPatienceTests {
    @Test("a single server is awaited in full; of several, each further try is awaited longer")
    func waits() {
        var patience = AnswerPatience()
        for _ in 0..<20 {
            #expect(patience.timeout(max: .seconds(5)) == .seconds(5))
            patience.failed()
        }
        patience.answered()
        patience.isReplicated = true
        var waits: [Duration] = []
        for _ in 0..<20 {
            waits.append(patience.timeout(max: .seconds(5)))
            patience.failed()
        }
        #expect(
            waits.prefix(5) == [
                .milliseconds(250), .milliseconds(500), .seconds(1), .seconds(2), .seconds(4),
            ])
        #expect(waits.dropFirst(5).allSatisfy { $0 == .seconds(5) })
        patience.answered()
        #expect(patience.timeout(max: .seconds(5)) == .milliseconds(250))
    }
}

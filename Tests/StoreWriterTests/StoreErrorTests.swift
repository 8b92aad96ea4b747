import MarketModel
import PostgresClient
import Testing

@testable import StoreWriter

@Suite("Errors of the store")
struct StoreErrorTests {
    private func withheld(_ remedy: StoreError.Remedy) -> StoreError {
        .withheld(
            StoreError.Withheld(operation: "o", peer: "p", remedy: remedy, reason: "r"))
    }

    @Test("an error of the database keeps its category and its text")
    func database() {
        let error = PostgresError.timeout(operation: "o", peer: "p", after: .seconds(2))
        let wrapped = StoreError.database(error)
        #expect(wrapped.category == .retryable && wrapped.ofDatabase == error)
        #expect("\(wrapped)" == "\(error)")
        #expect(
            StoreError.database(.unexpected(operation: "o", peer: "p", reason: "r")).category
                == .fatal)
    }

    @Test("a batch that is held back says what is to be done")
    func heldBack() {
        #expect(withheld(.mendTable).category == .schema)
        #expect(withheld(.waitForLetters).category == .retryable)
        #expect("\(withheld(.mendTable))" == "o at p was held back: r")
        #expect(withheld(.waitForLetters).ofDatabase == nil)
    }

    @Test("positions that cannot be read are named in order, and need a migration")
    func unreadable() {
        let error = StoreError.unreadable([
            SinkPlace(input: .ticks, partition: Partition(7)),
            SinkPlace(input: .bars, partition: Partition(2)),
        ])
        #expect(error.category == .schema && error.ofDatabase == nil)
        #expect(
            "\(error)" == "the positions of bars of partition 2, ticks of partition 7 cannot be "
                + "read from sink_positions: run 'store-writer migrate'")
    }
}

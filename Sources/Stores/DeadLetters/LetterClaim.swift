internal import MarketModel
internal import Primitives
internal import StoreSinks
internal import TapeCodec
package import TapeTransport

/// What the database has to be asked about a letter before a replay. It is small: the letter's
/// payload is not in it.
package struct LetterClaim: Equatable, Sendable {
    /// The row that would be made.
    struct Row: Equatable, Sendable {
        /// Its index in the catalogue of all sinks.
        let sink: Int
        let time: Timestamp
        let received: Timestamp
        /// For a bar: its series, and whether the definition asks for the table of long windows.
        let series: String?
        let isLong: Bool
    }

    package let messageID: String
    let owner: String
    let isOfOtherKind: Bool
    let place: DeadLetter.Place
    let symbol: String
    /// `nil`: no row is made, whatever the database says.
    let row: Row?

    static let catalogue = SinkCatalogue()

    /// Reads the letter's payload.
    package init(_ letter: DeadLetter) {
        messageID = letter.messageID
        owner = letter.owner
        isOfOtherKind = letter.isOfOtherKind
        place = letter.place
        symbol = letter.symbol
        row = letter.place.isOnTape ? Self.row(of: letter) : nil
    }

    private static func row(of letter: DeadLetter) -> Row? {
        guard let sink = catalogue.sink(of: letter) else { return nil }
        let series = catalogue.unknownSeries(letter, SeriesTables()).first
        let times = catalogue.times(letter, sink: sink, SeriesTables())
        return Row(
            sink: sink, time: times?.row ?? .undefined, received: times?.received ?? .undefined,
            series: series?.name, isLong: series?.isLong ?? false)
    }

    /// What is known without the database; `nil` when it has to be asked.
    package var decided: LetterFate? {
        guard place.isOnTape else { return .untaped }
        if isOfOtherKind { return .elsewhere }
        return row == nil ? .undecodable : nil
    }
}

extension DeadLetter {
    /// Whether the books of its store are not in a PostgreSQL database.
    package var isOfOtherKind: Bool { !storeKind.isEmpty && storeKind != "postgres" }
}

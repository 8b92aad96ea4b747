import MarketModel
import NatsTransport
import TapeProtocol

/// The kind of a live message.
enum LiveKind: Int, CaseIterable {
    case trade
    case quote
    case bar
    case providerBar
    /// A trade, a quote or a provider's bar that a node of a graph passed on.
    case node
    /// A number that a graph computed, or that a provider sent.
    case indicator

    var name: String { self == .providerBar ? "provider-bar" : "\(self)" }
}

/// A subject of live data, and whether somebody hears it. `LiveHearing` decides.
final class LiveSubject {
    enum State {
        /// No question was sent yet.
        case unknown
        /// A question was sent and not answered so far. Until it is, somebody may hear.
        case asked
        case heard
        /// Nobody heard the last question.
        case unheard
    }

    let text: String
    let kind: LiveKind
    /// Whether NATS takes the subject; otherwise its symbol is too long.
    let isSendable: Bool
    var state = State.unknown
    /// The round of the last question.
    var round: UInt64 = 0

    init(_ text: String, _ kind: LiveKind) {
        self.text = text
        self.kind = kind
        isSendable = text.utf8.count <= NatsLimits.subjectBytesMax
    }
}

/// The subjects of a symbol of a source, or of a group of sources. Each is made for its first
/// message.
final class PairSubjects {
    private let symbol: Symbol
    private let source: SourceName
    private var trades: LiveSubject?
    private var quotes: LiveSubject?
    private var providerBars: LiveSubject?
    private var bars: [SeriesName: LiveSubject] = [:]
    private var values: [String: LiveSubject] = [:]
    private var nodes: [String: LiveSubject] = [:]

    init(_ symbol: Symbol, _ source: SourceName) {
        self.symbol = symbol
        self.source = source
    }

    func trades(_ names: TapeNames, _ hearing: inout LiveHearing) -> LiveSubject {
        if let trades { return trades }
        let made = hearing.subject(names.liveTrades(symbol, source), .trade)
        trades = made
        return made
    }

    func quotes(_ names: TapeNames, _ hearing: inout LiveHearing) -> LiveSubject {
        if let quotes { return quotes }
        let made = hearing.subject(names.liveQuotes(symbol, source), .quote)
        quotes = made
        return made
    }

    func providerBars(_ names: TapeNames, _ hearing: inout LiveHearing) -> LiveSubject {
        if let providerBars { return providerBars }
        let made = hearing.subject(names.liveProviderBars(symbol, source), .providerBar)
        providerBars = made
        return made
    }

    func bars(
        _ series: SeriesName, _ names: TapeNames, _ hearing: inout LiveHearing
    ) -> LiveSubject {
        if let known = bars[series] { return known }
        let made = hearing.subject(names.liveBars(series, symbol, source), .bar)
        bars[series] = made
        return made
    }

    func values(
        _ name: String, _ names: TapeNames, _ hearing: inout LiveHearing
    ) -> LiveSubject {
        if let known = values[name] { return known }
        let made = hearing.subject(names.liveValues(name, symbol, source), .indicator)
        values[name] = made
        return made
    }

    func ticks(
        ofNode node: String, _ names: TapeNames, _ hearing: inout LiveHearing
    ) -> LiveSubject {
        if let known = nodes[node] { return known }
        let made = hearing.subject(names.liveTicks(ofNode: node, symbol, source), .node)
        nodes[node] = made
        return made
    }
}

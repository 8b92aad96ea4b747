import MarketModel
import ProviderKit
import TapeTransport
import YAMLFile

/// The instruments that a source wants: the gateway's own list, from files or settings, joined with
/// the watchlist. All gateways of the source come to the same result, in the same order.
///
/// - A removal hides an instrument of the own list until a person adds the symbol again.
/// - An addition is wanted beside the own list. If the own list has the symbol, too, its entry
///   counts.
/// - What does not hold is left out and named; the rest holds.
struct InstrumentJoin: Equatable {
    /// How additions are read.
    struct Reading {
        /// The source's providers, by priority.
        var providers: [String]
        /// Whether the provider delivers by symbol alone.
        var isBySymbol: Bool
    }

    /// Those of the own list come first, in its order, then the added ones in order of their
    /// symbols.
    private(set) var instruments: [Instrument] = []
    /// The added ones among them.
    private(set) var added: Set<Symbol> = []
    /// The symbols of the own list that the watchlist removes, in order of that list.
    private(set) var hidden: [Symbol] = []
    /// One line for each entry of the watchlist that does not hold.
    private(set) var problems: [String] = []

    init(_ listed: [Instrument], _ watchlist: Watchlist, _ reading: Reading) {
        for instrument in listed {
            if watchlist[instrument.symbol]?.change == .removed(hidesListed: true) {
                hidden.append(instrument.symbol)
            } else {
                instruments.append(instrument)
            }
        }
        let own = Set(listed.map(\.symbol))
        for (symbol, entry) in watchlist.sorted where !own.contains(symbol) {
            guard case .added(let definition) = entry.change else { continue }
            add(symbol, definition, reading)
        }
        // A source without instruments has no lanes to publish on.
        guard instruments.isEmpty, !hidden.isEmpty else { return }
        problems.append(
            "all instruments are removed, and a source needs one: the gateway's own list holds "
                + "as it is")
        (instruments, hidden) = (listed, [])
    }

    private mutating func add(_ symbol: Symbol, _ definition: String, _ reading: Reading) {
        guard instruments.count < ProviderLimits.instrumentsMax else {
            problems.append(
                "\(symbol) is left out: \(ProviderLimits.instrumentsMax) instruments are the most")
            return
        }
        do throws(FileMistakes) {
            instruments.append(try Self.instrument(symbol, definition, reading))
            added.insert(symbol)
        } catch {
            let what = error.all.map(\.what).joined(separator: "; ")
            problems.append("\(symbol) is left out: \(what)")
        }
    }

    private static func instrument(
        _ symbol: Symbol, _ definition: String, _ reading: Reading
    ) throws(FileMistakes) -> Instrument {
        guard !reading.isBySymbol else { return .named(symbol) }
        let instrument = try InstrumentFile.instrument(definition: definition)
        guard instrument.symbol == symbol else {
            throw FileMistakes([
                FileMistake(
                    file: "", position: nil, what: "its definition is that of \(instrument.symbol)")
            ])
        }
        if let nobody = instrument.withoutProvider(of: reading.providers) {
            throw FileMistakes([FileMistake(file: "", position: nil, what: nobody)])
        }
        return instrument
    }
}

extension Instrument {
    /// An instrument of a provider that delivers by symbol alone.
    static func named(_ symbol: Symbol) -> Instrument {
        Instrument(symbol: symbol, contract: Contract(.stock), feeds: [])
    }
}

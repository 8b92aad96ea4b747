import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import YAMLFile

/// The list of instruments of the gateway that loads. A broker has to know the contract of a
/// symbol, which a list of instruments names: the given one, or that of the deployment.
struct LoadInstruments {
    let command: LoadCommand
    /// The files of the list, and whether the command named them.
    let files: [String]
    let isGiven: Bool

    /// `usual`: the files that the deployment's gateways read.
    init(_ command: LoadCommand, usual: [String]) {
        self.command = command
        isGiven = !command.instruments.isEmpty
        files = isGiven ? [command.instruments] : usual
    }

    /// The files that a gateway's setting names.
    static func files(_ setting: String?) -> [String] {
        (setting ?? "").split(separator: ",").map { part in
            String(part.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
        }.filter { !$0.isEmpty }
    }

    /// The list, as a gateway reads it, and what people are told of it.
    struct Found: Equatable {
        var list: String
        var notes: [String] = []
    }

    func find(
        _ read: @escaping InstrumentFile.Read = Self.read
    ) throws(ToolError) -> Found {
        guard command.provider == LoadCommand.broker else { return Found(list: command.list) }
        let known = try known(read)
        let missing = command.symbols.filter { known[$0] == nil }
        if isGiven, let first = missing.first {
            throw .refused(
                "\(first) is not in \(command.instruments): add it there with its contract")
        }
        var list = "version: 1\ninstruments:\n"
        for symbol in command.symbols {
            list += "  - \(item(symbol, known[symbol]))\n"
        }
        guard !missing.isEmpty else { return Found(list: list) }
        let names = missing.map(\.text).joined(separator: ", ")
        let place = files.isEmpty ? "no list" : "not in \(files.joined(separator: ", "))"
        return Found(
            list: list,
            notes: [
                "\(names): \(place), so a stock at SMART in USD is meant; --instruments FILE "
                    + "names another contract"
            ])
    }

    static let read: InstrumentFile.Read = { path, bytesMax in
        do throws(ToolError) {
            guard let bytes = try FileSystem.read(path) else {
                return .failure(FileFailure("there is no such file"))
            }
            return bytes.count <= bytesMax
                ? .success(bytes) : .failure(FileFailure("has more than \(bytesMax) bytes"))
        } catch {
            return .failure(FileFailure("\(error)"))
        }
    }

    private func known(
        _ read: @escaping InstrumentFile.Read
    ) throws(ToolError) -> [Symbol: Instrument] {
        guard !files.isEmpty else { return [:] }
        do throws(FileMistakes) {
            let found = try InstrumentFile.read(files, read)
            return Dictionary(found.map { ($0.symbol, $0) }) { first, _ in first }
        } catch {
            throw .refused("the list of instruments cannot be used: \(error.lines.first ?? "")")
        }
    }

    // MARK: one instrument

    /// Returns an item of the list: a mapping, as JSON.
    private func item(_ symbol: Symbol, _ known: Instrument?) -> String {
        var usual = Instrument.Contract(.stock)
        (usual.exchange, usual.currency) = ("SMART", "USD")
        let contract = known?.contract ?? usual
        return JSONWriter.made { json in
            json.member("symbol", symbol.text)
            json.member("feeds", feed(known?.feeds ?? .trades))
            Self.write(contract, of: symbol, into: &json)
        }.text
    }

    /// The feed whose past is loaded: with the trades that the live one has.
    private func feed(_ live: Instrument.Feeds) -> String {
        guard command.bars.isEmpty else { return "bars" }
        return live.contains(.allTrades) || live.contains(.level1) && !live.contains(.trades)
            ? "all-trades" : "trades"
    }

    private static func write(
        _ contract: Instrument.Contract, of symbol: Symbol, into json: inout JSONWriter
    ) {
        json.member("security", contract.security.rawValue)
        let texts = [
            ("provider_symbol", contract.providerSymbol), ("exchange", contract.exchange),
            ("primary_exchange", contract.primaryExchange), ("currency", contract.currency),
            ("local_symbol", contract.localSymbol), ("trading_class", contract.tradingClass),
            ("expiry", contract.expiry), ("right", contract.right?.rawValue ?? ""),
        ]
        for (key, text) in texts where !text.isEmpty { json.member(key, text) }
        // A list has these as numbers.
        let numbers = [
            ("strike", contract.strike.isDefined ? "\(contract.strike)" : ""),
            ("multiplier", contract.multiplier),
            ("provider_id", contract.providerID == 0 ? "" : "\(contract.providerID)"),
        ]
        for (key, number) in numbers where !number.isEmpty {
            json.key(key)
            json.literal(number)
        }
    }
}

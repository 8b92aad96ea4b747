internal import MarketModel
internal import Primitives
internal import YAMLFile

/// Reads one item of a list of instruments: a symbol alone, or a mapping. Mistakes go into the
/// `ProblemList`, as in all readers of this folder.
enum InstrumentItem {
    /// Returns the item's instrument; `nil` when the item has a mistake that leaves none. Other
    /// mistakes are only listed.
    static func read(
        _ node: YAMLNode, _ defaults: InstrumentDefaults, _ list: inout ProblemList
    ) -> Instrument? {
        if node.scalar != nil {
            guard let symbol = symbol(node, &list) else { return nil }
            var reader = ContractReader(symbol, node.position, fields: nil)
            let instrument = Instrument(
                symbol: symbol, contract: reader.contract(defaults, &list), feeds: defaults.feeds,
                providers: defaults.providers)
            checkDepth(instrument, reader.owner, at: node.position, &list)
            return instrument
        }
        guard
            let fields = Fields(node, of: "an instrument", known: keys, explained: explained, &list)
        else { return nil }
        guard let name = fields.required("symbol", of: "an instrument", as: "SPY", &list),
            let symbol = symbol(name, &list)
        else { return nil }
        var reader = ContractReader(symbol, node.position, fields: fields)
        let contract = reader.contract(defaults, &list)
        let words = InstrumentWords(owner: reader.owner)
        let feeds = words.feeds(fields["feeds"], &list) ?? defaults.feeds
        let hasGreeks = contract.security == .option || contract.security == .futureOption
        if feeds.contains(.computations), !hasGreeks {
            list.add(
                fields["feeds"]?.position ?? node.position,
                "\(reader.owner): feeds: computations are of options alone: remove them")
        }
        var instrument = Instrument(
            symbol: symbol, contract: contract, feeds: feeds,
            providers: words.providers(fields["providers"], &list) ?? defaults.providers)
        instrument.lot = lot(fields, reader.owner, &list)
        instrument.depthExchange =
            words.text(fields["depth_exchange"], "depth_exchange", &list) ?? ""
        checkDepth(
            instrument, reader.owner, at: fields["feeds"]?.position ?? node.position, &list)
        return instrument
    }

    /// Reads the round lot: `lot: 40`, with the time from which on it is valid and the lot before.
    private static func lot(
        _ fields: Fields, _ owner: String, _ list: inout ProblemList
    ) -> RoundLot? {
        let most = Int64(1_000_000)
        let size = list.integer(fields["lot"], "\(owner): lot", in: 1...most)
        let before = list.integer(fields["lot_before"], "\(owner): lot_before", in: 1...most)
        var from = Timestamp.undefined
        if let node = fields["lot_from"], let text = list.text(node, "\(owner): lot_from") {
            // A date means its first moment in UTC.
            if let time = ISOTime.parse(text) ?? ISOTime.parse(text + "T00:00:00Z") {
                from = time
            } else {
                list.add(
                    node.position,
                    "\(owner): lot_from: \(Shown.text(text)) is no date: write it like 2026-05-01")
            }
        }
        for key in ["lot_from", "lot_before"] where fields["lot"] == nil {
            guard let node = fields[key] else { continue }
            list.add(node.position, "\(owner): \(key) is of a lot: write it, as 'lot: 40'")
        }
        if let node = fields["lot_before"], fields["lot_from"] == nil {
            list.add(
                node.position, "\(owner): lot_before ends at lot_from: write that, as 2026-05-01")
        }
        return size.flatMap { size in
            RoundLot(
                Quantity(shares: size), from: from,
                before: before.map { Quantity(shares: $0) } ?? RoundLot.usual)
        }
    }

    /// Names that are given as an exchange but only route orders, and so have no book.
    private static let routers = ["SMART"]

    /// Checks that a requested book is that of a single exchange.
    private static func checkDepth(
        _ instrument: Instrument, _ owner: String, at position: YAMLPosition,
        _ list: inout ProblemList
    ) {
        let exchange =
            instrument.depthExchange.isEmpty
            ? instrument.contract.exchange : instrument.depthExchange
        guard instrument.feeds.contains(.depth), routers.contains(exchange) else { return }
        list.add(
            position,
            "\(owner): feeds: depth is the book of one exchange, and \(exchange) is none: name one "
                + "like 'depth_exchange: ISLAND', or write smart-depth for the book over all")
    }

    /// The keys of a mapping.
    static let keys =
        [
            "symbol", "security", "provider_symbol", "exchange", "primary_exchange", "currency",
            "local_symbol", "trading_class", "provider_id", "depth_exchange", "feeds", "providers",
            "lot", "lot_from", "lot_before",
        ] + ContractReader.derivativeKeys

    /// The remedies for keys that other programs use in place of ours.
    private static let explained = [
        "modes": "write 'feeds: [quotes, bars]'", "mode": "write 'feeds: [quotes, bars]'",
        "conid": "write 'provider_id'", "secType": "write 'security'",
        "lastTradeDateOrContractMonth": "write 'expiry'",
    ]

    /// Reads a symbol. `NO`, `ON` and `Y`, which are booleans in YAML, are symbols here. So `true`
    /// and the like come from a program that wrote the file, and are mistakes unless they are
    /// quoted.
    private static func symbol(_ node: YAMLNode, _ list: inout ProblemList) -> Symbol? {
        guard let text = list.text(node, "a symbol") else { return nil }
        if node.scalar?.isPlain == true, ["true", "false", "null", "~"].contains(text) {
            list.add(
                node.position,
                "\(Shown.text(text)) is what other programs make of symbols like ON, NO and Y: "
                    + "write the symbol itself, or this one in quotes")
            return nil
        }
        guard let symbol = Symbol(text) else {
            list.add(
                node.position,
                "\(Shown.text(text)) is no symbol: write at most \(Symbol.utf8CountMax) bytes "
                    + "without control characters")
            return nil
        }
        return symbol
    }
}

extension Quantity {
    /// Makes a quantity of whole shares. The caller keeps them below 10^10.
    fileprivate init(shares: Int64) { self.init(raw: shares * 100_000_000) }
}

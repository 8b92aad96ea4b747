internal import MarketModel
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
        instrument.depthExchange =
            words.text(fields["depth_exchange"], "depth_exchange", &list) ?? ""
        checkDepth(
            instrument, reader.owner, at: fields["feeds"]?.position ?? node.position, &list)
        return instrument
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
    private static let keys =
        [
            "symbol", "security", "provider_symbol", "exchange", "primary_exchange", "currency",
            "local_symbol", "trading_class", "provider_id", "depth_exchange", "feeds", "providers",
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

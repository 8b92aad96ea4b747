internal import MarketModel
internal import Primitives
internal import YAMLFile

/// Reads the contract of one instrument, from its keys and the defaults of its file. A mistake goes
/// into the list, and the field stays empty.
struct ContractReader {
    /// The symbol, in the form in which messages show it.
    let owner: String
    private let symbol: Symbol
    /// Where the item is, for mistakes about missing keys.
    private let position: YAMLPosition
    /// The instrument's keys; `nil` when the item is a symbol alone.
    private let fields: Fields?
    private let words: InstrumentWords

    /// The keys of contracts that expire.
    static let derivativeKeys = ["expiry", "strike", "right", "multiplier"]

    /// `fields` are the item's keys; `nil` when it is a symbol alone.
    init(_ symbol: Symbol, _ position: YAMLPosition, fields: Fields?) {
        self.symbol = symbol
        self.position = position
        self.fields = fields
        owner = Shown.text(symbol.text)
        words = InstrumentWords(owner: owner)
    }

    /// Returns the contract.
    mutating func contract(
        _ defaults: InstrumentDefaults, _ list: inout ProblemList
    ) -> Instrument.Contract {
        var contract = Instrument.Contract(
            words.security(fields?["security"], &list) ?? defaults.security)
        contract.providerSymbol = text("provider_symbol", &list)
        contract.localSymbol = text("local_symbol", &list)
        contract.tradingClass = text("trading_class", &list)
        contract.providerID = providerID(&list)
        readMarket(&contract, defaults, &list)
        readDerivative(&contract, &list)
        checkSymbol(contract, &list)
        return contract
    }

    /// Checks the symbol, which the provider is asked with when no key names the contract. Of a
    /// pair such as `EUR/USD` the first half is already in `providerSymbol`.
    private func checkSymbol(_ contract: Instrument.Contract, _ list: inout ProblemList) {
        let keys = ["provider_symbol", "local_symbol", "provider_id"]
        guard contract.providerSymbol.isEmpty, keys.allSatisfy({ fields?[$0] == nil }),
            !InstrumentWords.isTakenByProviders(symbol.text)
        else { return }
        list.add(
            fields?["symbol"]?.position ?? position,
            "\(owner): symbol: providers are asked with at most "
                + "\(Instrument.Contract.textBytesMax) printable ASCII characters: write it so, or "
                + "give their own name for it like 'provider_symbol: ASML'")
    }

    /// Returns the provider's number of the contract; 0 when none is given.
    private func providerID(_ list: inout ProblemList) -> Int32 {
        let number = list.integer(
            fields?["provider_id"], "\(owner): provider_id", in: 1...Int64(Int32.max))
        return number.flatMap { Int32(exactly: $0) } ?? 0
    }

    /// Returns the text of a key; empty when none is given.
    private func text(_ key: String, _ list: inout ProblemList) -> String {
        words.text(fields?[key], key, &list) ?? ""
    }

    // MARK: exchange and currency

    /// Reads exchange, primary exchange and currency. The default primary exchange is that of the
    /// default kind of contract, so other kinds do not get it.
    private func readMarket(
        _ contract: inout Instrument.Contract, _ defaults: InstrumentDefaults,
        _ list: inout ProblemList
    ) {
        let exchange = text("exchange", &list)
        contract.exchange = exchange.isEmpty ? defaults.exchange : exchange
        let primary = text("primary_exchange", &list)
        contract.primaryExchange =
            primary.isEmpty && contract.security == defaults.security
            ? defaults.primaryExchange : primary
        if contract.exchange.isEmpty, fields?["exchange"] == nil {
            list.add(
                position,
                "\(owner): exchange is missing: give it like 'exchange: SMART', here or under "
                    + "'defaults'")
        }
        readCurrency(&contract, defaults, &list)
    }

    /// Reads the currency. The symbol of a pair contains it: `EUR/USD` has the currency USD, and
    /// EUR is the provider's symbol. A contract with a `provider_id` needs no currency.
    private func readCurrency(
        _ contract: inout Instrument.Contract, _ defaults: InstrumentDefaults,
        _ list: inout ProblemList
    ) {
        let own = words.currency(fields?["currency"], &list)
        if let pair = pair(of: contract) {
            if contract.providerSymbol.isEmpty { contract.providerSymbol = pair.base }
            contract.currency = own ?? pair.quote
            if let own, own != pair.quote {
                list.add(
                    fields?["currency"]?.position ?? position,
                    "\(owner): currency: the symbol says \(pair.quote), and this says \(own): "
                        + "remove it")
            }
            return
        }
        contract.currency = own ?? defaults.currency
        if contract.currency.isEmpty, fields?["currency"] == nil, contract.providerID == 0 {
            list.add(
                position,
                "\(owner): currency is missing: give it like 'currency: USD', here or under "
                    + "'defaults'")
        }
    }

    /// Returns the two currencies of a pair, as the symbol of a forex or crypto contract names
    /// them; `nil` for other symbols.
    private func pair(of contract: Instrument.Contract) -> (base: String, quote: String)? {
        guard contract.security == .forex || contract.security == .crypto else { return nil }
        let parts = symbol.text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, InstrumentWords.isCurrency(String(parts[0])),
            InstrumentWords.isCurrency(String(parts[1]))
        else { return nil }
        return (String(parts[0]), String(parts[1]))
    }

    // MARK: contracts that expire

    /// Reads the keys of contracts that expire, and refuses them for others.
    private func readDerivative(
        _ contract: inout Instrument.Contract, _ list: inout ProblemList
    ) {
        let isOption = contract.security == .option || contract.security == .futureOption
        guard isOption || contract.security == .future else {
            refuse(Self.derivativeKeys, contract, &list)
            return
        }
        // Each of the two identifies the contract, so that no other key is required.
        let isNamed = contract.providerID != 0 || !contract.localSymbol.isEmpty
        contract.expiry = expiry(isNamed: isNamed, &list)
        readMultiplier(&contract, &list)
        guard isOption else {
            refuse(["strike", "right"], contract, &list)
            return
        }
        contract.strike = strike(isNamed: isNamed, &list)
        contract.right = right(isNamed: isNamed, &list)
    }

    /// Reports keys that contracts of this kind do not have.
    private func refuse(
        _ keys: [String], _ contract: Instrument.Contract, _ list: inout ProblemList
    ) {
        for key in keys {
            guard let node = fields?[key] else { continue }
            list.add(
                node.position,
                "\(owner): \(key): \(contract.security.rawValue) contracts have none: remove it, "
                    + "or is security wrong?")
        }
    }

    /// Returns the value of a key. A missing one is a mistake, unless the contract is identified
    /// without it (`isNamed`).
    private func wanted(
        _ key: String, as example: String, isNamed: Bool, _ list: inout ProblemList
    ) -> YAMLNode? {
        if let node = fields?[key] { return node }
        if !isNamed {
            list.add(
                position,
                "\(owner): \(key) is missing: give it like '\(key): \(example)', or a "
                    + "local_symbol or provider_id")
        }
        return nil
    }

    /// Returns the day (`yyyymmdd`) or the month (`yyyymm`); empty without one.
    private func expiry(isNamed: Bool, _ list: inout ProblemList) -> String {
        guard let node = wanted("expiry", as: "20261218", isNamed: isNamed, &list),
            let text = words.text(node, "expiry", &list)
        else { return "" }
        let digits = Array(text.utf8)
        guard [6, 8].contains(digits.count), digits.allSatisfy({ (0x30...0x39).contains($0) }),
            (1...12).contains(Int(text.dropFirst(4).prefix(2)) ?? 0),
            digits.count == 6 || (1...31).contains(Int(text.suffix(2)) ?? 0)
        else {
            list.add(
                node.position,
                "\(owner): expiry: \(Shown.text(text)) is none: write the day like 20261218 or "
                    + "the month like 202612")
            return ""
        }
        return text
    }

    /// Reads the multiplier, which providers take as a text.
    private func readMultiplier(
        _ contract: inout Instrument.Contract, _ list: inout ProblemList
    ) {
        guard let node = fields?["multiplier"],
            list.amount(node, "\(owner): multiplier") != nil
        else { return }
        contract.multiplier = words.text(node, "multiplier", &list) ?? ""
    }

    /// Returns the strike; undefined without one.
    private func strike(isNamed: Bool, _ list: inout ProblemList) -> Price {
        guard let node = wanted("strike", as: "450", isNamed: isNamed, &list) else {
            return .undefined
        }
        guard list.amount(node, "\(owner): strike") != nil, let text = node.scalar?.text else {
            return .undefined
        }
        do throws(FixedPoint.ParseError) {
            return try Price(text)
        } catch {
            list.add(node.position, "\(owner): strike: \(Shown.text(text)) is too large")
            return .undefined
        }
    }

    /// Returns the right of an option, call or put; `nil` without one.
    private func right(isNamed: Bool, _ list: inout ProblemList) -> Instrument.Right? {
        list.choice(
            wanted("right", as: "call", isNamed: isNamed, &list), "\(owner): right",
            [("call", Instrument.Right.call), ("put", .put)])
    }
}

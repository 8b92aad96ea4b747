/// Reads the fields of one request in order.
struct RequestFields {
    typealias Fault = RequestReader.Fault

    /// No combination has more legs than this.
    private static let legsMax: Int32 = 100

    private let fields: [String]
    private var place = 0

    init(_ fields: [String]) { self.fields = fields }

    mutating func text() throws(Fault) -> String {
        guard place < fields.count else { throw .missing(place: place) }
        defer { place += 1 }
        return fields[place]
    }

    mutating func integer(
        in range: ClosedRange<Int32> = Int32.min...Int32.max
    ) throws(Fault) -> Int32 {
        let text = try text()
        guard let number = Int32(text), range.contains(number) else {
            throw wrong("whole number", text)
        }
        return number
    }

    mutating func flag() throws(Fault) -> Bool {
        let text = try text()
        guard text == "0" || text == "1" else { throw wrong("0 or 1", text) }
        return text == "1"
    }

    mutating func number() throws(Fault) -> String {
        let text = try text()
        guard Double(text) != nil else { throw wrong("number", text) }
        return text
    }

    mutating func constant(_ wanted: String) throws(Fault) {
        let text = try text()
        guard text == wanted else { throw wrong(wanted, text) }
    }

    /// Reads the version of the request, then its number.
    mutating func versioned(_ version: String) throws(Fault) -> Int32 {
        try constant(version)
        return try integer()
    }

    mutating func choice<Value>(
        _ parse: (String) -> Value?, _ wanted: String
    ) throws(Fault) -> Value {
        let text = try text()
        guard let value = parse(text) else { throw wrong(wanted, text) }
        return value
    }

    /// Reads `tag=value;tag=value;`, or nothing.
    mutating func options() throws(Fault) {
        let text = try text()
        let isFine =
            text.isEmpty
            || text.split(separator: ";").allSatisfy { $0.contains("=") } && text.hasSuffix(";")
        guard isFine else { throw wrong("list of options", text) }
    }

    mutating func contract() throws(Fault) -> RequestedContract {
        var contract = RequestedContract()
        contract.conID = try integer()
        contract.symbol = try text()
        contract.securityType = try text()
        contract.expiry = try text()
        let strike = try text()
        if !strike.isEmpty {
            guard let price = Double(strike) else { throw wrong("strike", strike) }
            contract.strike = price == 0 ? nil : strike
        }
        contract.right = try text()
        contract.multiplier = try text()
        contract.exchange = try text()
        contract.primaryExchange = try text()
        contract.currency = try text()
        contract.localSymbol = try text()
        contract.tradingClass = try text()
        return contract
    }

    /// Reads the legs of a combination.
    mutating func legs() throws(Fault) {
        for _ in 0..<(try integer(in: 0...Self.legsMax)) {
            _ = try integer()
            _ = try integer()
            _ = try text()
            _ = try text()
        }
    }

    func end() throws(Fault) {
        guard place == fields.count else { throw .surplus(count: fields.count - place) }
    }

    private func wrong(_ wanted: String, _ found: String) -> Fault {
        .wrong(place: place - 1, wanted: wanted, found: String(found.prefix(40)))
    }
}

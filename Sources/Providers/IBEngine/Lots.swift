internal import IBProtocol
internal import MarketModel

// Old servers report sizes and volumes of stocks in hundreds of shares.
extension Contract {
    /// Its sizes are in lots if the server's version counts so: only those of US stocks.
    var isStockInLots: Bool { kind == .stock && currency == "USD" }
}

extension Int128 {
    /// The volume in shares, if `self` is in hundreds; undefined (the largest number) if it was, or
    /// if it does not fit.
    var inLots: Int128 {
        guard self != Int128.max else { return self }
        let (units, isTooLarge) = multipliedReportingOverflow(by: 100)
        return isTooLarge ? Int128.max : units
    }
}

extension Quantity {
    /// The size in shares, if `self` is in hundreds.
    var inLots: Quantity {
        guard isDefined else { return self }
        let (units, isTooLarge) = raw.multipliedReportingOverflow(by: 100)
        return isTooLarge ? .undefined : Quantity(raw: units)
    }
}

package import MarketModel

/// The provider's data about a contract, in its own words. Fields that the server's version does
/// not send stay empty. The engine uses the contract, its zone and its hours; the rest is only
/// decoded.
package struct ContractDetails: Hashable, Sendable {
    package var request: Int32 = 0
    package var contract = Contract()
    package var expiry = Expiry()
    package var marketName = ""
    package var minTick = Price.undefined
    package var orderTypes = ""
    package var exchanges: [String] = []
    package var priceMagnifier: Int64?
    package var underlyingID: Int64?
    package var longName = ""
    package var contractMonth = ""
    package var industry = ""
    package var category = ""
    package var subcategory = ""
    /// The name of the time zone in which the hours are given.
    package var zone = ""
    /// All trading hours, and the regular ones, of some days (`SessionHours` reads them).
    package var tradingHours = ""
    package var liquidHours = ""
    package var economicValueRule = ""
    package var economicValueMultiplier = Ratio.undefined
    package var secondaryIDs: [TagValue] = []
    package var aggregationGroup: Int64?
    package var underlyingSymbol = ""
    package var underlyingKind = SecurityKind("")
    package var marketRules: [Int32] = []
    package var realExpiration = ""
    package var stockType = ""
    package var minSize = Quantity.undefined
    package var sizeIncrement = Quantity.undefined
    package var suggestedSizeIncrement = Quantity.undefined
    package var fund: FundDetails?
    package var ineligibility: [TagValue] = []

    /// The end of a contract's trading. The provider writes it in one field.
    package struct Expiry: Hashable, Sendable {
        /// `yyyymmdd`, or a month.
        package var date = ""
        package var time = ""
        package var zone = ""
        /// The same date in a separate field.
        package var lastTradeDate = ""

        package init() {}

        /// Reads `DATE`, `DATE TIME [ZONE]` or `DATE-TIME[-ZONE]`.
        init(_ text: String) {
            let separator: Character = text.contains("-") ? "-" : " "
            let parts = text.split(separator: separator, maxSplits: 2).map(String.init)
            date = parts.first ?? ""
            time = parts.count > 1 ? parts[1] : ""
            zone = parts.count > 2 ? parts[2] : ""
        }
    }

    package init() {}
}

/// The provider's data about a fund.
package struct FundDetails: Hashable, Sendable {
    package var name = ""
    package var family = ""
    package var type = ""
    package var frontLoad = ""
    package var backLoad = ""
    package var backLoadTimeInterval = ""
    package var managementFee = ""
    package var isClosed = false
    package var isClosedForNewInvestors = false
    package var isClosedForNewMoney = false
    package var notifyAmount = ""
    package var minimumInitialPurchase = ""
    package var subsequentMinimumPurchase = ""
    package var blueSkyStates = ""
    package var blueSkyTerritories = ""
    package var distributionPolicy = ""
    package var assetType = ""

    package init() {}
}

/// The provider's data about a bond.
package struct BondDetails: Hashable, Sendable {
    /// The data that bonds and other contracts have in common.
    package var details = ContractDetails()
    package var cusip = ""
    package var coupon = Ratio.undefined
    package var issueDate = ""
    package var ratings = ""
    package var bondType = ""
    package var couponType = ""
    package var isConvertible = false
    package var isCallable = false
    package var isPutable = false
    package var description = ""
    package var nextOptionDate = ""
    package var nextOptionType = ""
    package var isNextOptionPartial = false
    package var notes = ""

    package init() {}
}

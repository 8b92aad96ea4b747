public import MarketModel

/// The provider's data about a contract, in its own words. Fields that the server's version does
/// not send stay empty. The engine uses the contract, its zone and its hours; the rest is only
/// decoded.
public struct ContractDetails: Hashable, Sendable {
    public var request: Int32 = 0
    public var contract = Contract()
    public var expiry = Expiry()
    public var marketName = ""
    public var minTick = Price.undefined
    public var orderTypes = ""
    public var exchanges: [String] = []
    public var priceMagnifier: Int64?
    public var underlyingID: Int64?
    public var longName = ""
    public var contractMonth = ""
    public var industry = ""
    public var category = ""
    public var subcategory = ""
    /// The name of the time zone in which the hours are given.
    public var zone = ""
    /// All trading hours, and the regular ones, of some days (`SessionHours` reads them).
    public var tradingHours = ""
    public var liquidHours = ""
    public var economicValueRule = ""
    public var economicValueMultiplier = Ratio.undefined
    public var secondaryIDs: [TagValue] = []
    public var aggregationGroup: Int64?
    public var underlyingSymbol = ""
    public var underlyingKind = SecurityKind("")
    public var marketRules: [Int32] = []
    public var realExpiration = ""
    public var stockType = ""
    public var minSize = Quantity.undefined
    public var sizeIncrement = Quantity.undefined
    public var suggestedSizeIncrement = Quantity.undefined
    public var fund: FundDetails?
    public var ineligibility: [TagValue] = []

    /// The end of a contract's trading. The provider writes it in one field.
    public struct Expiry: Hashable, Sendable {
        /// `yyyymmdd`, or a month.
        public var date = ""
        public var time = ""
        public var zone = ""
        /// The same date in a separate field.
        public var lastTradeDate = ""

        public init() {}

        /// Reads `DATE`, `DATE TIME [ZONE]` or `DATE-TIME[-ZONE]`.
        init(_ text: String) {
            let separator: Character = text.contains("-") ? "-" : " "
            let parts = text.split(separator: separator, maxSplits: 2).map(String.init)
            date = parts.first ?? ""
            time = parts.count > 1 ? parts[1] : ""
            zone = parts.count > 2 ? parts[2] : ""
        }
    }

    public init() {}
}

/// The provider's data about a fund.
public struct FundDetails: Hashable, Sendable {
    public var name = ""
    public var family = ""
    public var type = ""
    public var frontLoad = ""
    public var backLoad = ""
    public var backLoadTimeInterval = ""
    public var managementFee = ""
    public var isClosed = false
    public var isClosedForNewInvestors = false
    public var isClosedForNewMoney = false
    public var notifyAmount = ""
    public var minimumInitialPurchase = ""
    public var subsequentMinimumPurchase = ""
    public var blueSkyStates = ""
    public var blueSkyTerritories = ""
    public var distributionPolicy = ""
    public var assetType = ""

    public init() {}
}

/// The provider's data about a bond.
public struct BondDetails: Hashable, Sendable {
    /// The data that bonds and other contracts have in common.
    public var details = ContractDetails()
    public var cusip = ""
    public var coupon = Ratio.undefined
    public var issueDate = ""
    public var ratings = ""
    public var bondType = ""
    public var couponType = ""
    public var isConvertible = false
    public var isCallable = false
    public var isPutable = false
    public var description = ""
    public var nextOptionDate = ""
    public var nextOptionType = ""
    public var isNextOptionPartial = false
    public var notes = ""

    public init() {}
}

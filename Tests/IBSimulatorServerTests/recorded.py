"""What both programs share: the requests, and every value that comes back as one line of JSON.

The lines have the shape of the simulator's truth log: kind, request and the fields in the order of
the wire, as texts.
"""

import json
import sys
import threading
import time

DERIVED_SIZES = {1, 2, 4, 66, 67, 68}


def text(value):
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    return str(value)


def second(moment):
    """Returns the second of a time, which one of the clients returns as a datetime."""
    return int(moment.timestamp()) if hasattr(moment, "timestamp") else moment


class Recorder:
    """Records what a client decoded. `wait` returns once everything in `wanted` was seen."""

    def __init__(self, path, version):
        self.file = open(path, "w", encoding="utf-8")
        self.version = version
        self.seen = {}
        self.pending = None
        self.bars = {}
        self.changed = threading.Condition()

    def emit(self, kind, request, *fields):
        line = {"kind": kind, "request": int(request), "fields": [text(f) for f in fields]}
        with self.changed:
            self.file.write(json.dumps(line) + "\n")
            key = kind
            if kind in ("tickString", "tickByTick"):
                key = f"{kind} {fields[0]}"
            if kind == "error":
                key = f"error {fields[0]}"
            self.seen[key] = self.seen.get(key, 0) + 1
            self.changed.notify_all()

    def missing(self, wanted):
        return [key for key in wanted if self.seen.get(key, 0) < wanted[key]]

    def wait(self, wanted, seconds):
        deadline = time.monotonic() + seconds
        with self.changed:
            while self.missing(wanted):
                left = deadline - time.monotonic()
                if left <= 0:
                    sys.exit(f"not seen within {seconds} s: {self.missing(wanted)}")
                self.changed.wait(left)

    def close(self):
        self.file.close()

    # The callbacks that both clients have with the same name and arguments.

    def plain(self, kind):
        return lambda request, *fields: self.emit(kind, request, *fields)

    def alone(self, kind):
        return lambda *fields: self.emit(kind, -1, *fields)

    def handlers(self):
        handlers = {
            name: self.plain(kind)
            for name, kind in {
                "tickGeneric": "tickGeneric",
                "tickString": "tickString",
                "tickOptionComputation": "tickOptionComputation",
                "tickReqParams": "tickReqParams",
                "marketDataType": "marketDataType",
                "tickSnapshotEnd": "tickSnapshotEnd",
                "tickNews": "tickNews",
                "tickEFP": "tickEFP",
                "rerouteMktDataReq": "rerouteMktDataReq",
                "rerouteMktDepthReq": "rerouteMktDepthReq",
                "realtimeBar": "realtimeBar",
                "updateMktDepth": "marketDepth",
                "updateMktDepthL2": "marketDepthL2",
                "fundamentalData": "fundamentalData",
                "contractDetailsEnd": "contractDataEnd",
                "headTimestamp": "headTimestamp",
                "historicalNews": "historicalNews",
                "historicalNewsEnd": "historicalNewsEnd",
                "newsArticle": "newsArticle",
                "securityDefinitionOptionParameterEnd": "securityDefinitionOptionParameterEnd",
            }.items()
        }
        for name, kind in {
            "nextValidId": "nextValidId",
            "managedAccounts": "managedAccounts",
            "currentTime": "currentTime",
            "updateNewsBulletin": "newsBulletin",
        }.items():
            handlers[name] = self.alone(kind)
        handlers.update(
            tickByTickAllLast=self.trade,
            tickByTickBidAsk=self.quote,
            tickByTickMidPoint=lambda r, t, p: self.emit("tickByTick", r, 4, t, p),
            historicalData=lambda r, bar: self.bars.setdefault(r, []).append(bar),
            historicalDataEnd=self.bars_end,
            historicalDataUpdate=self.bar_update,
            historicalTicks=self.midpoints,
            historicalTicksBidAsk=self.quotes,
            historicalTicksLast=self.trades,
            historicalSchedule=self.schedule,
            histogramData=lambda r, rows: self.rows(
                "histogramData", r, rows, lambda x: (x.price, x.size if hasattr(x, "size") else x.count)
            ),
            smartComponents=lambda r, rows: self.rows(
                "smartComponents", r, rows, lambda x: (x.bitNumber, x.exchange, x.exchangeLetter)
            ),
            mktDepthExchanges=lambda rows: self.rows(
                "mktDepthExchanges",
                -1,
                rows,
                lambda x: (x.exchange, x.secType, x.listingExch, x.serviceDataType, x.aggGroup),
            ),
            newsProviders=lambda rows: self.rows(
                "newsProviders", -1, rows, lambda x: (x.code, x.name)
            ),
            marketRule=lambda rule, rows: self.emit(
                "marketRule", -1, rule, len(rows), *[f for x in rows for f in (x.lowEdge, x.increment)]
            ),
            securityDefinitionOptionParameter=self.chain,
            symbolSamples=self.samples,
            contractDetails=self.contract,
            bondContractDetails=self.bond,
        )
        return handlers

    def rows(self, kind, request, rows, fields):
        self.emit(kind, request, len(rows), *[f for row in rows for f in fields(row)])

    def trade(self, request, kind, second, price, size, attributes, exchange, conditions):
        mask = attributes.pastLimit + 2 * attributes.unreported
        self.emit("tickByTick", request, kind, second, price, size, mask, exchange, conditions)

    def quote(self, request, second, bid, ask, bid_size, ask_size, attributes):
        mask = attributes.bidPastLow + 2 * attributes.askPastHigh
        self.emit("tickByTick", request, 3, second, bid, ask, bid_size, ask_size, mask)

    @staticmethod
    def average(bar):
        return bar.wap if hasattr(bar, "wap") else bar.average

    def bars_end(self, request, start, end):
        fields = [
            field
            for bar in self.bars.pop(request, [])
            for field in (
                bar.date, bar.open, bar.high, bar.low, bar.close, bar.volume,
                self.average(bar), bar.barCount,
            )
        ]
        self.emit("historicalData", request, start, end, len(fields) // 8, *fields)

    def bar_update(self, request, bar):
        self.emit(
            "historicalDataUpdate", request, bar.barCount, bar.date, bar.open, bar.close, bar.high,
            bar.low, self.average(bar), bar.volume,
        )

    def midpoints(self, request, ticks, done):
        fields = [f for tick in ticks for f in (second(tick.time), 0, tick.price, tick.size)]
        self.emit("historicalTicks", request, len(ticks), *fields, done)

    def quotes(self, request, ticks, done):
        fields = []
        for tick in ticks:
            # In historical ticks the bits are swapped.
            mask = tick.tickAttribBidAsk.askPastHigh + 2 * tick.tickAttribBidAsk.bidPastLow
            fields += [second(tick.time), mask, tick.priceBid, tick.priceAsk]
            fields += [tick.sizeBid, tick.sizeAsk]
        self.emit("historicalTicksBidAsk", request, len(ticks), *fields, done)

    def trades(self, request, ticks, done):
        fields = []
        for tick in ticks:
            mask = tick.tickAttribLast.pastLimit + 2 * tick.tickAttribLast.unreported
            fields += [second(tick.time), mask, tick.price, tick.size]
            fields += [tick.exchange, tick.specialConditions]
        self.emit("historicalTicksLast", request, len(ticks), *fields, done)

    def schedule(self, request, start, end, zone, sessions):
        fields = [f for s in sessions for f in (s.startDateTime, s.endDateTime, s.refDate)]
        self.emit("historicalSchedule", request, start, end, zone, len(sessions), *fields)

    def chain(self, request, exchange, contract, trading_class, multiplier, expiries, strikes):
        # One of the clients returns sets.
        expiries, strikes = sorted(expiries), sorted(strikes)
        self.emit(
            "securityDefinitionOptionParameter", request, exchange, contract, trading_class,
            multiplier, len(expiries), *expiries, len(strikes), *strikes,
        )

    def samples(self, request, descriptions):
        fields = []
        for each in descriptions:
            c = each.contract
            kinds = list(each.derivativeSecTypes)
            fields += [c.conId, c.symbol, c.secType, c.primaryExchange, c.currency]
            fields += [len(kinds), *kinds]
            if self.version >= 176:
                fields += [c.description, c.issuerId]
        self.emit("symbolSamples", request, len(descriptions), *fields)

    def contract(self, request, d):
        c = d.contract
        ids = d.secIdList or []
        fields = [c.symbol, c.secType, c.lastTradeDateOrContractMonth]
        if self.version >= 182:
            fields.append(c.lastTradeDate)
        fields += [c.strike, c.right, c.exchange, c.currency, c.localSymbol, d.marketName]
        fields += [c.tradingClass, c.conId, d.minTick]
        if self.version < 164:
            fields.append(100)
        fields += [c.multiplier, d.orderTypes, d.validExchanges, d.priceMagnifier, d.underConId]
        fields += [d.longName, c.primaryExchange, d.contractMonth, d.industry, d.category]
        fields += [d.subcategory, d.timeZoneId, d.tradingHours, d.liquidHours, d.evRule]
        fields += [d.evMultiplier, len(ids), *[f for i in ids for f in (i.tag, i.value)]]
        fields += [d.aggGroup, d.underSymbol, d.underSecType, d.marketRuleIds]
        fields += [d.realExpirationDate, d.stockType]
        if self.version == 163:
            fields.append(1)
        if self.version >= 164:
            fields += [d.minSize, d.sizeIncrement, d.suggestedSizeIncrement]
        if self.version >= 179 and c.secType == "FUND":
            fields += [d.fundName, d.fundFamily, d.fundType, d.fundFrontLoad, d.fundBackLoad]
            fields += [d.fundBackLoadTimeInterval, d.fundManagementFee, d.fundClosed]
            fields += [d.fundClosedForNewInvestors, d.fundClosedForNewMoney, d.fundNotifyAmount]
            fields += [d.fundMinimumInitialPurchase, d.fundSubsequentMinimumPurchase]
            fields += [d.fundBlueSkyStates, d.fundBlueSkyTerritories]
            fields += [d.fundDistributionPolicyIndicator.value[0], d.fundAssetType.value[0]]
        if self.version >= 186:
            fields.append(len(d.ineligibilityReasonList or []))
        self.emit("contractData", request, *fields)

    def bond(self, request, d):
        c = d.contract
        ids = d.secIdList or []
        fields = [c.symbol, c.secType, d.cusip, d.coupon, d.maturity, d.issueDate, d.ratings]
        fields += [d.bondType, d.couponType, d.convertible, d.callable, d.putable, d.descAppend]
        fields += [c.exchange, c.currency, d.marketName, c.tradingClass, c.conId, d.minTick]
        if self.version < 164:
            fields.append(100)
        fields += [d.orderTypes, d.validExchanges, d.nextOptionDate, d.nextOptionType]
        fields += [d.nextOptionPartial, d.notes, d.longName, d.evRule, d.evMultiplier]
        fields += [len(ids), *[f for i in ids for f in (i.tag, i.value)], d.aggGroup]
        fields += [d.marketRuleIds]
        if self.version >= 164:
            fields += [d.minSize, d.sizeIncrement, d.suggestedSizeIncrement]
        self.emit("bondContractData", request, *fields)


GENERIC = "100,101,104,105,106,162,165,221,225,233,236,258,292,293,294,295,318,375,411,456,588,595"
STOCKS = ["SPY", "QQQ", "IWM", "DIA", "XLF"]


def wanted(version):
    kinds = [
        "tickPrice", "tickSize", "tickGeneric", "tickString 45", "tickString 48", "tickString 77",
        "tickOptionComputation", "tickReqParams", "marketDataType", "tickSnapshotEnd", "tickNews",
        "rerouteMktDataReq", "rerouteMktDepthReq", "tickByTick 1", "tickByTick 2", "tickByTick 3",
        "tickByTick 4", "realtimeBar", "marketDepth", "marketDepthL2", "newsBulletin",
        "historicalData", "historicalDataUpdate", "historicalTicks", "historicalTicksBidAsk",
        "historicalTicksLast", "headTimestamp", "histogramData", "historicalNewsEnd",
        "newsArticle", "newsProviders", "fundamentalData", "contractData", "bondContractData",
        "contractDataEnd", "securityDefinitionOptionParameter", "symbolSamples",
        "mktDepthExchanges", "smartComponents", "marketRule", "currentTime", "nextValidId",
        "managedAccounts", "error 200", "error 354", "error 2104", "error 366", "error 10167",
    ]
    wanted = {kind: 1 for kind in kinds}
    if version >= 165:
        wanted["historicalSchedule"] = 1
    return wanted


def ask(client, contract):
    """Sends all requests; `contract(symbol, kind, exchange, currency, number)` makes a contract."""

    def stock(symbol, exchange="SMART"):
        return contract(symbol, "STK", exchange, "USD", 0)

    spy = stock("SPY")
    client.reqMarketDataType(3)
    for number, symbol in enumerate(STOCKS):
        client.reqMktData(100 + number, stock(symbol), GENERIC, False, False, [])
    client.reqMktData(110, contract("", "", "SMART", "", 700001), "", False, False, [])
    client.reqMktData(111, stock("QQQ"), "", True, False, [])
    client.reqMktData(112, contract("SPY", "CFD", "SMART", "USD", 0), "", False, False, [])
    client.reqMktData(113, stock("XLK"), "", False, False, [])
    client.reqMktData(114, stock("NOSUCH"), "", False, False, [])
    for number, kind in enumerate(["Last", "AllLast", "BidAsk", "MidPoint"]):
        client.reqTickByTickData(120 + number, spy, kind, 0, False)
    client.reqTickByTickData(124, contract("BTC", "CRYPTO", "PAXOS", "USD", 0), "AllLast", 10, False)
    client.reqMktDepth(130, spy, 10, True, [])
    client.reqMktDepth(131, stock("QQQ", "ISLAND"), 10, False, [])
    client.reqMktDepth(132, contract("EUR", "CASH", "IDEALPRO", "USD", 0), 5, False, [])
    client.reqMktDepth(133, contract("SPY", "CFD", "SMART", "USD", 0), 5, False, [])
    client.reqRealTimeBars(140, spy, 5, "TRADES", False, [])
    client.reqRealTimeBars(141, spy, 5, "MIDPOINT", False, [])
    client.reqNewsBulletins(True)
    client.reqCurrentTime()


def ask_more(client, contract, start, version):
    def stock(symbol):
        return contract(symbol, "STK", "SMART", "USD", 0)

    spy = stock("SPY")
    client.reqHistoricalData(200, spy, "", "1800 S", "1 min", "TRADES", 0, 1, False, [])
    client.reqHistoricalData(201, stock("QQQ"), "", "600 S", "30 secs", "BID_ASK", 0, 2, False, [])
    client.reqHistoricalData(202, stock("DIA"), "", "600 S", "5 secs", "MIDPOINT", 0, 1, True, [])
    if version >= 165:
        client.reqHistoricalData(203, stock("IWM"), "", "1 D", "1 day", "SCHEDULE", 0, 1, False, [])
    client.reqHistoricalTicks(204, spy, start, "", 900, "TRADES", 0, False, [])
    client.reqHistoricalTicks(205, spy, start, "", 300, "BID_ASK", 0, False, [])
    client.reqHistoricalTicks(206, spy, start, "", 300, "MIDPOINT", 0, False, [])
    client.reqHeadTimeStamp(207, spy, "TRADES", 0, 1)
    client.reqHistogramData(208, spy, False, "10 minutes")
    client.reqHistoricalNews(209, 756733, "SIMA+SIMB", "", "", 5, [])
    client.reqNewsArticle(210, "SIMA", "SIMA$1", [])
    client.reqNewsProviders()
    client.reqFundamentalData(211, spy, "ReportSnapshot", [])
    client.reqContractDetails(212, spy)
    for number in range(700001, 700008):
        client.reqContractDetails(213 + number - 700001, contract("", "", "", "", number))
    client.reqSecDefOptParams(221, "SPY", "", "STK", 756733)
    client.reqMatchingSymbols(222, "XL")
    client.reqMktDepthExchanges()
    client.reqSmartComponents(223, "9c0001")
    client.reqMarketRule(26)
    client.cancelHistoricalData(299)
    client.reqMarketDataType(1)
    client.reqMktData(115, stock("XLK"), "", False, False, [])


def withdraw(client):
    """Cancels everything. The answer to the last request is the last one to come."""
    for number in [100, 101, 102, 103, 104, 110, 113]:
        client.cancelMktData(number)
    for number in range(120, 125):
        client.cancelTickByTickData(number)
    client.cancelMktDepth(130, True)
    client.cancelMktDepth(131, False)
    client.cancelMktDepth(132, False)
    client.cancelRealTimeBars(140)
    client.cancelRealTimeBars(141)
    client.cancelHistoricalData(202)
    client.cancelNewsBulletins()
    client.reqCurrentTime()

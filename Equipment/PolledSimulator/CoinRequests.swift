internal import Primitives
internal import VenueWeb

/// The answers of CoinGecko: `/api/v3/ping`, `/api/v3/simple/price` and `/api/v3/coins/markets`.
struct CoinRequests {
    let prices: CoinPrices
    /// The key that is right, or that none is; `nil`: no key is needed.
    let key: CoinKey?
    /// Simulated.
    let now: Timestamp

    enum CoinKey: Equatable {
        case right(String)
        case expired
    }

    private enum Question: String {
        case ping = "/api/v3/ping"
        case price = "/api/v3/simple/price"
        case markets = "/api/v3/coins/markets"
    }

    /// What CoinGecko says of keys and plans, by its codes.
    static let keyErrors: [Int: (status: Int, text: String)] = [
        10_002: (401, "API Key Missing"),
        10_005: (401, "This request is limited to PRO API subscribers."),
        10_010: (400, "If you are using Pro API key, please change your root URL to pro-api."),
        10_011: (400, "If you are using Demo API key, please change your root URL to api."),
    ]

    /// What CoinGecko says to clients without a name.
    private static let nameless =
        "Please add a descriptive User-Agent to your request. For higher rate limits & stable "
        + "integration, please subscribe to our API plans: "
        + "https://www.coingecko.com/en/api/pricing . If you think this is a mistake, please "
        + "report here: https://forms.gle/3V2z8Mb3k2RMu5S2A"

    func answer(_ request: VenueRequest) -> HTTPAnswer {
        guard request.headers["user-agent"]?.isEmpty == false else {
            return Self.error(403, 403, Self.nameless)
        }
        let given = request.headers["x-cg-demo-api-key"] ?? request.query["x_cg_demo_api_key"]
        if let key {
            guard let given else { return Self.error(401, 10_002, "API Key Missing") }
            guard key == .right(given) else {
                return Self.error(401, 10_002, "API Key Missing or Invalid")
            }
        }
        guard let question = Question(rawValue: request.path) else {
            return Self.error(404, 404, "Incorrect path. Please check the documentation.")
        }
        switch question {
        case .ping:
            return .json { $0.object { $0.member("gecko_says", "(V3) To the Moon!") } }
        case .price: return price(request.query)
        case .markets: return markets(request.query)
        }
    }

    static func error(_ status: Int, _ code: Int, _ text: String) -> HTTPAnswer {
        .json(status) { writer in
            writer.object { json in
                json.object("status") { json in
                    json.member("error_code", code)
                    json.member("error_message", text)
                }
            }
        }
    }

    private func names(_ name: String, _ query: [String: String]) -> [String] {
        let all = (query[name] ?? "").split(separator: ",").map { $0.lowercased() }
        return Array(all.prefix(PolledLimits.namesMax))
    }

    private func price(_ query: [String: String]) -> HTTPAnswer {
        let wanted = Set(names("ids", query))
        let currencies = names("vs_currencies", query)
        guard !currencies.isEmpty else {
            return Self.error(422, 422, "Missing parameter vs_currencies")
        }
        let hasTime = query["include_last_updated_at"] == "true"
        let updated = CoinPrices.updated(now)
        var answer = HTTPAnswer.json { writer in
            writer.object { json in
                for (place, coin) in CoinPrices.coins.enumerated() where wanted.contains(coin.id) {
                    json.object(coin.id) { json in
                        for (number, name) in CoinPrices.currencies.enumerated()
                        where currencies.contains(name) {
                            json.key(name)
                            json.literal(prices.price(place, number, at: updated) ?? "null")
                        }
                        if hasTime {
                            json.member("last_updated_at", updated.nanoseconds / 1_000_000_000)
                        }
                    }
                }
            }
        }
        let coins = CoinPrices.coins.indices.filter { wanted.contains(CoinPrices.coins[$0].id) }
        answer.log { json in
            let rows = CoinPrices.currencies.enumerated().filter { currencies.contains($1) }
                .flatMap { number, name in
                    coins.compactMap { place in
                        prices.price(place, number, at: updated).map {
                            [CoinPrices.coins[place].id, name, Self.seconds(updated), $0]
                        }
                    }
                }
            PolledSite.write(rows, into: &json)
        }
        return answer
    }

    private static func seconds(_ time: Timestamp) -> String {
        "\(time.nanoseconds / 1_000_000_000)"
    }

    private func markets(_ query: [String: String]) -> HTTPAnswer {
        guard let currency = CoinPrices.currencies.firstIndex(of: query["vs_currency"] ?? "") else {
            return Self.error(422, 422, "Missing parameter vs_currency")
        }
        let wanted = Set(names("ids", query))
        let updated = CoinPrices.updated(now)
        return .json { writer in
            writer.array { list in
                for (place, coin) in CoinPrices.coins.enumerated()
                where wanted.isEmpty || wanted.contains(coin.id) {
                    list.object { json in
                        json.member("id", coin.id)
                        json.member("symbol", coin.symbol)
                        json.member("name", coin.name)
                        json.member("image", "")
                        json.key("current_price")
                        json.literal(prices.price(place, currency, at: updated) ?? "null")
                        for name in ["market_cap", "total_volume", "high_24h", "low_24h"] {
                            json.key(name)
                            json.null()
                        }
                        json.member("market_cap_rank", place + 1)
                        json.member("last_updated", Self.text(updated))
                    }
                }
            }
        }
    }

    /// A time of whole seconds with milliseconds.
    private static func text(_ time: Timestamp) -> String {
        time.description.prefix(19) + ".000Z"
    }
}

// Numbers, times and durations in words of both languages. Pure. Digits never jump: a number keeps
// three significant digits, money two after the dot; whatever is missing is a dash.

export const DASH = "—";

// From how much on, divided by what, called what. A number keeps some 15 digits: the largest units
// stand for so many that no digit is shown which it does not have.
const STEPS = {
  zh: [[1e16, 1e12, "万亿"], [1e8, 1e8, "亿"], [1e4, 1e4, "万"]],
  en: [[1e15, 1e12, "T"], [1e9, 1e9, "B"], [1e6, 1e6, "M"], [1e4, 1e3, "K"]],
};

/** A number in two parts: digits and unit, so that the unit can be set smaller. */
export function count(value, lang) {
  return missing(value) ? NOTHING : scaled(value, lang, (v) => digitsFor(v, 3));
}

/** Fen as yuan, in two parts; two digits after the dot as soon as there is a unit. */
export function money(fen, lang) {
  if (missing(fen)) return NOTHING;
  return scaled(fen / 100, lang, (_, unit) => (unit ? 2 : 0));
}

/** One string: money with its sign. */
export function moneyText(fen, lang) {
  if (missing(fen)) return DASH;
  const parts = money(Math.abs(fen), lang);
  return (fen < 0 ? "−¥" : "¥") + parts.digits + parts.unit;
}

/** One string: a number with its unit. */
export function countText(value, lang) {
  const parts = count(value, lang);
  return parts.digits + parts.unit;
}

/** A whole number with separators; as text where it has more digits than a number keeps. */
export function whole(value) {
  if (typeof value === "string") return thousands(value);
  return missing(value) ? DASH : grouped(Math.round(value), 0);
}

/** A share of one as percent. */
export function percent(share, decimals = 1) {
  return missing(share) ? DASH : grouped(share * 100, decimals) + "%";
}

/** A reading in the unit of its rule. */
export function reading(value, unit, lang) {
  if (missing(value)) return DASH;
  const zh = lang === "zh";
  switch (unit) {
    case "percent":
      return grouped(value, value < 10 ? 2 : 1) + "%";
    case "ratio":
      return grouped(value * 100, 1) + "%";
    case "per_s":
      return countText(value, lang) + (zh ? " /秒" : " /s");
    case "per_10k":
      return grouped(value, 1) + (zh ? " /万单" : " /10k");
    case "ms":
      return grouped(value, 0) + " ms";
    case "s":
      return grouped(value, value < 10 ? 1 : 0) + (zh ? " 秒" : " s");
    default:
      return countText(value, lang);
  }
}

/** A bound: the same unit, without digits that say nothing. */
export function bound(value, unit, lang) {
  return reading(value, unit, lang).replace(/(\.\d*?)0+(?=\D|$)/, "$1").replace(/\.(?=\D|$)/, "");
}

/** How old: 0.6s, then 12s, then 01:07. */
export function age(ms) {
  if (missing(ms)) return DASH;
  if (ms < 10_000) return (Math.max(0, ms) / 1000).toFixed(1) + "s";
  if (ms < 60_000) return Math.floor(ms / 1000) + "s";
  return duration(ms);
}

/** How long in words: "47 秒", "47 s", then 12:05. */
export function lasting(ms, lang) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds >= 60) return duration(ms);
  return seconds + (lang === "zh" ? " 秒" : " s");
}

/** How long, roughly and in words: "47 秒", "12 分钟", "2.5 小时". */
export function roughly(ms, lang) {
  const zh = lang === "zh";
  const seconds = Math.round(Math.abs(ms) / 1000);
  if (seconds < 60) return seconds + (zh ? " 秒" : " s");
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) return minutes + (zh ? " 分钟" : " min");
  return Math.round(minutes / 6) / 10 + (zh ? " 小时" : " h");
}

/** mm:ss, from an hour on h:mm:ss, from two days on in days. */
export function duration(ms, lang = "zh") {
  if (missing(ms)) return DASH;
  const total = Math.max(0, Math.floor(ms / 1000));
  const days = Math.floor(total / 86_400);
  if (days >= 2) return days + (lang === "zh" ? " 天" : " days");
  const hours = Math.floor(total / 3600);
  const rest = two(Math.floor(total / 60) % 60) + ":" + two(total % 60);
  return hours ? hours + ":" + rest : rest;
}

/** The time of day where the campaign is, with seconds. */
export function clock(ms, offsetMinutes) {
  if (missing(ms)) return DASH;
  return new Date(ms + offsetMinutes * 60_000).toISOString().slice(11, 19);
}

/** Month, day and weekday where the campaign is. */
export function date(ms, offsetMinutes, lang) {
  const there = new Date(ms + offsetMinutes * 60_000);
  const day = two(there.getUTCMonth() + 1) + "-" + two(there.getUTCDate());
  const names = lang === "zh" ? "日一二三四五六" : ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
  return day + " " + (lang === "zh" ? "周" : "") + names[there.getUTCDay()];
}

export function missing(value) {
  return value === null || value === undefined || !Number.isFinite(value);
}

const NOTHING = { digits: DASH, unit: "" };

function scaled(value, lang, decimals) {
  const size = Math.abs(value);
  for (const [from, step, unit] of STEPS[lang] ?? STEPS.zh) {
    // Rounded first: 9 999.6 is 1.00万, not 10,000.
    if (Math.round(size) >= from) {
      const part = value / step;
      return { digits: grouped(part, decimals(part, unit)), unit };
    }
  }
  return { digits: grouped(value, decimals(value, "")), unit: "" };
}

function digitsFor(value, significant) {
  const size = Math.abs(value);
  if (size >= 99.95) return 0;
  return Math.max(0, significant - (size >= 9.995 ? 2 : 1));
}

function grouped(value, decimals) {
  const text = Math.abs(value).toFixed(decimals);
  const [head, tail] = text.split(".");
  const digits = thousands(head) + (tail ? "." + tail : "");
  return (value < 0 && Number(text) !== 0 ? "−" : "") + digits;
}

function thousands(digits) {
  return digits.replace(/\B(?=(\d{3})+$)/g, ",");
}

function two(number) {
  return String(number).padStart(2, "0");
}

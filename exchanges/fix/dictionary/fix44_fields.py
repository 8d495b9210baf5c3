"""Fields of FIX 4.4 that occur in the message types of fix44.py: tag, name, data type and, where the list is closed, its values.

Source: FIX 4.4 specification with errata 20030618, volume 6. The session layer needs all header and trailer fields; of the
body fields only
those of the types described in fix44.py are here, so any other tag is answered by "invalid tag number".
"""

from typing import Final

FIELDS: Final = """
1 Account STRING
6 AvgPx PRICE
7 BeginSeqNo SEQNUM
8 BeginString STRING
9 BodyLength LENGTH
10 CheckSum STRING
11 ClOrdID STRING
12 Commission AMT
13 CommType CHAR 1 2 3 4 5 6
14 CumQty QTY
15 Currency CURRENCY
16 EndSeqNo SEQNUM
17 ExecID STRING
18 ExecInst MULTIPLEVALUESTRING 0 1 2 3 4 5 6 7 8 9 A B C D E F G H I J K L M N O P Q R S T U V W X Y Z a b c d e
19 ExecRefID STRING
21 HandlInst CHAR 1 2 3
22 SecurityIDSource STRING 1 2 3 4 5 6 7 8 9 A B C D E F G H I J
23 IOIID STRING
30 LastMkt EXCHANGE
31 LastPx PRICE
32 LastQty QTY
33 NoLinesOfText NUMINGROUP
34 MsgSeqNum SEQNUM
35 MsgType STRING
36 NewSeqNo SEQNUM
37 OrderID STRING
38 OrderQty QTY
39 OrdStatus CHAR 0 1 2 3 4 5 6 7 8 9 A B C D E
40 OrdType CHAR 1 2 3 4 5 6 7 8 9 A B C D E F G H I J K L M P
41 OrigClOrdID STRING
42 OrigTime UTCTIMESTAMP
43 PossDupFlag BOOLEAN
44 Price PRICE
45 RefSeqNum SEQNUM
48 SecurityID STRING
49 SenderCompID STRING
50 SenderSubID STRING
52 SendingTime UTCTIMESTAMP
54 Side CHAR 1 2 3 4 5 6 7 8 9 A B C D E F G
55 Symbol STRING
56 TargetCompID STRING
57 TargetSubID STRING
58 Text STRING
59 TimeInForce CHAR 0 1 2 3 4 5 6 7
60 TransactTime UTCTIMESTAMP
61 Urgency CHAR 0 1 2
63 SettlType CHAR 0 1 2 3 4 5 6 7 8 9
64 SettlDate LOCALMKTDATE
65 SymbolSfx STRING
66 ListID STRING
70 AllocID STRING
73 NoOrders NUMINGROUP
75 TradeDate LOCALMKTDATE
77 PositionEffect CHAR O C R F
78 NoAllocs NUMINGROUP
79 AllocAccount STRING
80 AllocQty QTY
81 ProcessCode CHAR 0 1 2 3 4 5 6
89 Signature DATA
90 SecureDataLen LENGTH
91 SecureData DATA
93 SignatureLength LENGTH
94 EmailType CHAR 0 1 2
95 RawDataLength LENGTH
96 RawData DATA
97 PossResend BOOLEAN
98 EncryptMethod INT 0 1 2 3 4 5 6
99 StopPx PRICE
100 ExDestination EXCHANGE
102 CxlRejReason INT 0 1 2 3 4 5 6 99
103 OrdRejReason INT 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 99
106 Issuer STRING
107 SecurityDesc STRING
108 HeartBtInt INT
110 MinQty QTY
111 MaxFloor QTY
112 TestReqID STRING
114 LocateReqd BOOLEAN
115 OnBehalfOfCompID STRING
116 OnBehalfOfSubID STRING
117 QuoteID STRING
120 SettlCurrency CURRENCY
121 ForexReq BOOLEAN
122 OrigSendingTime UTCTIMESTAMP
123 GapFillFlag BOOLEAN
126 ExpireTime UTCTIMESTAMP
128 DeliverToCompID STRING
129 DeliverToSubID STRING
132 BidPx PRICE
133 OfferPx PRICE
134 BidSize QTY
135 OfferSize QTY
136 NoMiscFees NUMINGROUP
137 MiscFeeAmt AMT
138 MiscFeeCurr CURRENCY
139 MiscFeeType CHAR 1 2 3 4 5 6 7 8 9 10 11 12
140 PrevClosePx PRICE
141 ResetSeqNumFlag BOOLEAN
142 SenderLocationID STRING
143 TargetLocationID STRING
144 OnBehalfOfLocationID STRING
145 DeliverToLocationID STRING
146 NoRelatedSym NUMINGROUP
147 Subject STRING
148 Headline STRING
149 URLLink STRING
150 ExecType CHAR 0 1 2 3 4 5 6 7 8 9 A B C D E F G H I
151 LeavesQty QTY
152 CashOrderQty QTY
155 SettlCurrFxRate FLOAT
156 SettlCurrFxRateCalc CHAR M D
157 NumDaysInterest INT
158 AccruedInterestRate PERCENTAGE
159 AccruedInterestAmt AMT
160 SettlInstMode CHAR 0 1 2 3 4 5
164 EmailThreadID STRING
167 SecurityType STRING EUSUPRA FAC FADN PEF SUPRA CORP CPP CB DUAL EUCORP FXFWD FXFUT FRN FUT OPT STRUCT YANK CS PS REPO
  FORWARD BUYSELL SECLOAN SECPLEDGE BRADY EUSOV TBOND TINT TIPS TCAL TPRN UST USTB TNOTE TBILL TERM RVLV RVLVTRM BRIDGE LOFC
  SWING DINP DEFLTED WITHDRN REPLACD MATURED AMENDED RETIRED BA BN BOX CD CL CP DN EUCD EUCP LQN MTN ONITE PN PZFJ SLQN STN TD
  XCN YCD ABS CMBS CMO IET MBS MIO MPO MPP MPT PFAND TBA AN COFO COFP GO MT RAN REV SPCLA SPCLO SPCLT TAN TAXA TECP TRAN VRDN
  WAR MF MLEG NONE ?
168 EffectiveTime UTCTIMESTAMP
188 BidSpotRate PRICE
189 BidForwardPoints PRICEOFFSET
190 OfferSpotRate PRICE
191 OfferForwardPoints PRICEOFFSET
192 OrderQty2 QTY
193 SettlDate2 LOCALMKTDATE
194 LastSpotRate PRICE
195 LastForwardPoints PRICEOFFSET
198 SecondaryOrderID STRING
200 MaturityMonthYear MONTHYEAR
201 PutOrCall INT 0 1
202 StrikePrice PRICE
203 CoveredOrUncovered INT 0 1
206 OptAttribute CHAR
207 SecurityExchange EXCHANGE
210 MaxShow QTY
211 PegOffsetValue FLOAT
212 XmlDataLen LENGTH
213 XmlData DATA
215 NoRoutingIDs NUMINGROUP
216 RoutingType INT 1 2 3 4
217 RoutingID STRING
218 Spread PRICEOFFSET
220 BenchmarkCurveCurrency CURRENCY
221 BenchmarkCurveName STRING
222 BenchmarkCurvePoint STRING
223 CouponRate PERCENTAGE
224 CouponPaymentDate LOCALMKTDATE
225 IssueDate LOCALMKTDATE
226 RepurchaseTerm INT
227 RepurchaseRate PERCENTAGE
228 Factor FLOAT
229 TradeOriginationDate LOCALMKTDATE
230 ExDate LOCALMKTDATE
231 ContractMultiplier FLOAT
232 NoStipulations NUMINGROUP
233 StipulationType STRING
234 StipulationValue STRING
235 YieldType STRING
236 Yield PERCENTAGE
237 TotalTakedown AMT
238 Concession AMT
239 RepoCollateralSecurityType STRING
240 RedemptionDate LOCALMKTDATE
255 CreditRating STRING
262 MDReqID STRING
263 SubscriptionRequestType CHAR 0 1 2
264 MarketDepth INT
265 MDUpdateType INT 0 1
266 AggregatedBook BOOLEAN
267 NoMDEntryTypes NUMINGROUP
268 NoMDEntries NUMINGROUP
269 MDEntryType CHAR 0 1 2 3 4 5 6 7 8 9 A B C Q
# Q, auction clearing price, is of FIX 5.0: 4.4 has no value for the indicative price of a call.
270 MDEntryPx PRICE
271 MDEntrySize QTY
272 MDEntryDate UTCDATEONLY
273 MDEntryTime UTCTIMEONLY
274 TickDirection CHAR 0 1 2 3
275 MDMkt EXCHANGE
276 QuoteCondition MULTIPLEVALUESTRING A B C D E F G H I
277 TradeCondition MULTIPLEVALUESTRING A B C D E F G H I J K L M N P Q R
278 MDEntryID STRING
279 MDUpdateAction CHAR 0 1 2
280 MDEntryRefID STRING
281 MDReqRejReason CHAR 0 1 2 3 4 5 6 7 8 9 A B C
282 MDEntryOriginator STRING
283 LocationID STRING
284 DeskID STRING
285 DeleteReason CHAR 0 1
286 OpenCloseSettlFlag MULTIPLEVALUESTRING 0 1 2 3 4 5
287 SellerDays INT
288 MDEntryBuyer STRING
289 MDEntrySeller STRING
290 MDEntryPositionNo INT
291 FinancialStatus MULTIPLEVALUESTRING 1 2
292 CorporateAction MULTIPLEVALUESTRING A B C D E
299 QuoteEntryID STRING
305 UnderlyingSecurityIDSource STRING
306 UnderlyingIssuer STRING
307 UnderlyingSecurityDesc STRING
308 UnderlyingSecurityExchange EXCHANGE
309 UnderlyingSecurityID STRING
310 UnderlyingSecurityType STRING
311 UnderlyingSymbol STRING
312 UnderlyingSymbolSfx STRING
313 UnderlyingMaturityMonthYear MONTHYEAR
315 UnderlyingPutOrCall INT 0 1
316 UnderlyingStrikePrice PRICE
317 UnderlyingOptAttribute CHAR
318 UnderlyingCurrency CURRENCY
320 SecurityReqID STRING
322 SecurityResponseID STRING
323 SecurityResponseType INT 1 2 3 4 5 6
324 SecurityStatusReqID STRING
325 UnsolicitedIndicator BOOLEAN
326 SecurityTradingStatus INT 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23
327 HaltReasonChar CHAR I X P D E M
328 InViewOfCommon BOOLEAN
329 DueToRelated BOOLEAN
330 BuyVolume QTY
331 SellVolume QTY
332 HighPx PRICE
333 LowPx PRICE
334 Adjustment INT 1 2 3
335 TradSesReqID STRING
336 TradingSessionID STRING
338 TradSesMethod INT 1 2 3
339 TradSesMode INT 1 2 3
340 TradSesStatus INT 0 1 2 3 4 5 6
341 TradSesStartTime UTCTIMESTAMP
342 TradSesOpenTime UTCTIMESTAMP
343 TradSesPreCloseTime UTCTIMESTAMP
344 TradSesCloseTime UTCTIMESTAMP
345 TradSesEndTime UTCTIMESTAMP
346 NumberOfOrders INT
347 MessageEncoding STRING
348 EncodedIssuerLen LENGTH
349 EncodedIssuer DATA
350 EncodedSecurityDescLen LENGTH
351 EncodedSecurityDesc DATA
354 EncodedTextLen LENGTH
355 EncodedText DATA
356 EncodedSubjectLen LENGTH
357 EncodedSubject DATA
358 EncodedHeadlineLen LENGTH
359 EncodedHeadline DATA
362 EncodedUnderlyingIssuerLen LENGTH
363 EncodedUnderlyingIssuer DATA
364 EncodedUnderlyingSecurityDescLen LENGTH
365 EncodedUnderlyingSecurityDesc DATA
369 LastMsgSeqNumProcessed SEQNUM
371 RefTagID INT
372 RefMsgType STRING
373 SessionRejectReason INT 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 99
376 ComplianceID STRING
377 SolicitedFlag BOOLEAN
378 ExecRestatementReason INT 0 1 2 3 4 5 6 7 8 9 10 99
379 BusinessRejectRefID STRING
380 BusinessRejectReason INT 0 1 2 3 4 5 6 7
381 GrossTradeAmt AMT
382 NoContraBrokers NUMINGROUP
375 ContraBroker STRING
337 ContraTrader STRING
437 ContraTradeQty QTY
438 ContraTradeTime UTCTIMESTAMP
655 ContraLegRefID STRING
383 MaxMessageSize LENGTH
384 NoMsgTypes NUMINGROUP
385 MsgDirection CHAR S R
386 NoTradingSessions NUMINGROUP
387 TotalVolumeTraded QTY
388 DiscretionInst CHAR 0 1 2 3 4 5 6
389 DiscretionOffsetValue FLOAT
393 TotNoRelatedSym INT
423 PriceType INT 1 2 3 4 5 6 7 8 9 10 11
424 DayOrderQty QTY
425 DayCumQty QTY
426 DayAvgPx PRICE
427 GTBookingInst INT 0 1 2
432 ExpireDate LOCALMKTDATE
434 CxlRejResponseTo CHAR 1 2
435 UnderlyingCouponRate PERCENTAGE
436 UnderlyingContractMultiplier FLOAT
439 ClearingFirm STRING
440 ClearingAccount STRING
442 MultiLegReportingType CHAR 1 2 3
447 PartyIDSource CHAR B C D E F G H I 1 2 3 4 5 6 7 8 9 A
448 PartyID STRING
452 PartyRole INT 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39
453 NoPartyIDs NUMINGROUP
454 NoSecurityAltID NUMINGROUP
455 SecurityAltID STRING
456 SecurityAltIDSource STRING
457 NoUnderlyingSecurityAltID NUMINGROUP
458 UnderlyingSecurityAltID STRING
459 UnderlyingSecurityAltIDSource STRING
460 Product INT 1 2 3 4 5 6 7 8 9 10 11 12 13
461 CFICode STRING
462 UnderlyingProduct INT
463 UnderlyingCFICode STRING
464 TestMessageIndicator BOOLEAN
466 BookingRefID STRING
467 IndividualAllocID STRING
468 RoundingDirection CHAR 0 1 2
469 RoundingModulus FLOAT
470 CountryOfIssue COUNTRY
471 StateOrProvinceOfIssue STRING
472 LocaleOfIssue STRING
479 CommCurrency CURRENCY
480 CancellationRights CHAR Y N M O
481 MoneyLaunderingStatus CHAR Y N 1 2 3
483 TransBkdTime UTCTIMESTAMP
484 ExecPriceType CHAR B C D E O P Q S
485 ExecPriceAdjustment FLOAT
494 Designation STRING
497 FundRenewWaiv CHAR Y N
513 RegistID STRING
515 ExecValuationPoint UTCTIMESTAMP
516 OrderPercent PERCENTAGE
517 OwnershipType CHAR J T 2
518 NoContAmts NUMINGROUP
519 ContAmtType INT 1 2 3 4 5 6 7 8 9
520 ContAmtValue FLOAT
521 ContAmtCurr CURRENCY
523 PartySubID STRING
526 SecondaryClOrdID STRING
527 SecondaryExecID STRING
528 OrderCapacity CHAR A G I P R W
529 OrderRestrictions MULTIPLEVALUESTRING 1 2 3 4 5 6 7 8 9 A
530 MassCancelRequestType CHAR 1 2 3 4 5 6 7
531 MassCancelResponse CHAR 0 1 2 3 4 5 6 7
532 MassCancelRejectReason INT 0 1 2 3 4 5 6 99
533 TotalAffectedOrders INT
534 NoAffectedOrders NUMINGROUP
535 AffectedOrderID STRING
536 AffectedSecondaryOrderID STRING
541 MaturityDate LOCALMKTDATE
542 UnderlyingMaturityDate LOCALMKTDATE
543 InstrRegistry STRING
544 CashMargin CHAR 1 2 3
546 Scope MULTIPLEVALUESTRING 1 2 3
547 MDImplicitDelete BOOLEAN
553 Username STRING
554 Password STRING
555 NoLegs NUMINGROUP
556 LegCurrency CURRENCY
563 MultiLegRptTypeReq INT 0 1 2
564 LegPositionEffect CHAR O C R F
566 LegPrice PRICE
574 MatchType STRING
581 AccountType INT 1 2 3 4 6 7 8
582 CustOrderCapacity INT 1 2 3 4
583 ClOrdLinkID STRING
584 MassStatusReqID STRING
586 OrigOrdModTime UTCTIMESTAMP
587 LegSettlType CHAR
588 LegSettlDate LOCALMKTDATE
589 DayBookingInst CHAR 0 1 2
590 BookingUnit CHAR 0 1 2
591 PreallocMethod CHAR 0 1
600 LegSymbol STRING
602 LegSecurityID STRING
603 LegSecurityIDSource STRING
608 LegCFICode STRING
609 LegSecurityType STRING
610 LegMaturityMonthYear MONTHYEAR
611 LegMaturityDate LOCALMKTDATE
612 LegStrikePrice PRICE
616 LegSecurityExchange EXCHANGE
623 LegRatioQty FLOAT
624 LegSide CHAR
625 TradingSessionSubID STRING
627 NoHops NUMINGROUP
628 HopCompID STRING
629 HopSendingTime UTCTIMESTAMP
630 HopRefID SEQNUM
635 ClearingFeeIndicator STRING
636 WorkingIndicator BOOLEAN
637 LegLastPx PRICE
638 PriorityIndicator INT 0 1
639 PriceImprovement PRICEOFFSET
640 Price2 PRICE
641 LastForwardPoints2 PRICEOFFSET
651 UnderlyingQty QTY
654 LegRefID STRING
659 SideComplianceID STRING
660 AcctIDSource INT 1 2 3 4 5 99
661 AllocAcctIDSource INT 1 2 3 4 5 99
662 BenchmarkPrice PRICE
663 BenchmarkPriceType INT
667 ContractSettlMonth MONTHYEAR
668 DeliveryForm INT 1 2
669 LastParPx PRICE
687 LegQty QTY
691 Pool STRING
696 YieldRedemptionDate LOCALMKTDATE
697 YieldRedemptionPrice PRICE
698 YieldRedemptionPriceType INT
699 BenchmarkSecurityID STRING
701 YieldCalcDate LOCALMKTDATE
711 NoUnderlyings NUMINGROUP
736 AllocSettlCurrency CURRENCY
761 BenchmarkSecurityIDSource STRING
762 SecuritySubType STRING
775 BookingType INT 0 1 2
788 TerminationType INT 1 2 3 4
789 NextExpectedMsgSeqNum SEQNUM
790 OrdStatusReqID STRING
797 CopyMsgIndicator BOOLEAN
802 NoPartySubIDs NUMINGROUP
803 PartySubIDType INT
811 PriceDelta FLOAT
812 ApplQueueMax INT
813 ApplQueueDepth INT
814 ApplQueueResolution INT 0 1 2 3
815 ApplQueueAction INT 0 1 2 3
816 NoAltMDSource NUMINGROUP
817 AltMDSourceID STRING
827 ExpirationCycle INT 0 1
835 PegMoveType INT 0 1
836 PegOffsetType INT 0 1 2 3
837 PegLimitType INT 0 1 2
838 PegRoundDirection INT 1 2
839 PeggedPrice PRICE
840 PegScope INT 1 2 3 4
841 DiscretionMoveType INT 0 1
842 DiscretionOffsetType INT 0 1 2 3
843 DiscretionLimitType INT 0 1 2
844 DiscretionRoundDirection INT 1 2
845 DiscretionPrice PRICE
846 DiscretionScope INT 1 2 3 4
847 TargetStrategy INT
848 TargetStrategyParameters STRING
849 ParticipationRate PERCENTAGE
850 TargetStrategyPerformance FLOAT
851 LastLiquidityInd INT 1 2 3
854 QtyType INT 0 1
864 NoEvents NUMINGROUP
865 EventType INT
866 EventDate LOCALMKTDATE
867 EventPx PRICE
868 EventText STRING
873 DatedDate LOCALMKTDATE
874 InterestAccrualDate LOCALMKTDATE
875 CPProgram INT 1 2 99
876 CPRegType STRING
891 MiscFeeBasis INT 0 1 2
911 TotNumReports INT
912 LastRptRequested BOOLEAN
913 AgreementDesc STRING
914 AgreementID STRING
915 AgreementDate LOCALMKTDATE
916 StartDate LOCALMKTDATE
917 EndDate LOCALMKTDATE
918 AgreementCurrency CURRENCY
919 DeliveryType INT 0 1 2 3
898 MarginRatio PERCENTAGE
947 StrikeCurrency CURRENCY
955 ContractSettlMonthCode MONTHYEAR
956 LegInterestAccrualDate LOCALMKTDATE
# Numbers the market data of one instrument at the venues here; plain FIX 4.4 has it in later messages only.
83 RptSeq INT
113 ReportToExch BOOLEAN
118 NetMoney AMT
119 SettlCurrAmt AMT
258 BasisFeatureDate LOCALMKTDATE
259 BasisFeaturePrice PRICE
260 BasisFeatureYield PERCENTAGE
548 CrossID STRING
549 CrossType INT 1 2 3 4
550 CrossPrioritization INT 0 1 2
561 RoundLot QTY
562 MinTradeVol QTY
567 TradSesStatusRejReason INT 1 99
738 InterestAtMaturity AMT
921 StartCash AMT
922 EndCash AMT
"""
